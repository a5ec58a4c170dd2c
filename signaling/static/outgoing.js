/**
 * What is sent to the peer: the camera and microphone in one stream, a shared screen in another. It outlives the single
 * RTCPeerConnection: the next one is given the same.
 *
 * @typedef {object} Sent
 * @property {MediaStream} stream
 * @property {MediaStreamTrack | null} track what stands in at present
 * @property {RTCRtpSender} [sender] on the present connection
 */
export class Outgoing {
  /** The main stream; made when needed if the call began without one. */
  #stream;
  /** @type {MediaStream | null} */
  #screen = null;
  /**
   * By the track as it was added, whatever stands in for it by now.
   * @type {Map<MediaStreamTrack, Sent>}
   */
  #sent = new Map();
  /** @type {RTCPeerConnection | null} */
  #connection = null;

  /** @param {MediaStream} [stream] */
  constructor(stream) {
    this.#stream = stream;
    for (const track of stream?.getTracks() ?? []) this.add(track);
  }

  /** The peer cannot tell a screen from a camera unless it is told this. */
  get screenId() {
    return this.#screen?.id ?? null;
  }

  get screen() {
    return this.#screen;
  }

  /** @param {string} kind */
  has(kind) {
    return [...this.#sent.keys()].some((track) => track.kind === kind);
  }

  /** @param {RTCPeerConnection | null} connection where it all goes from now on */
  attach(connection) {
    this.#connection = connection;
    for (const [added, sent] of this.#sent) {
      sent.sender = connection?.addTrack(added, sent.stream);
      if (sent.track !== added) sent.sender?.replaceTrack(sent.track);
    }
  }

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStream} [stream]
   */
  add(track, stream = (this.#stream ??= new MediaStream())) {
    if (this.#sent.has(track)) return;
    this.#sent.set(track, { stream, track, sender: this.#connection?.addTrack(track, stream) });
  }

  /** @param {MediaStreamTrack} track */
  remove(track) {
    const found = this.#find(track);
    if (!found) return;
    const [added, { sender }] = found;
    this.#sent.delete(added);
    if (sender) this.#connection?.removeTrack(sender);
  }

  /**
   * @param {MediaStreamTrack} old as it was added, or what stands in for it
   * @param {MediaStreamTrack | null} track
   */
  async replace(old, track) {
    const found = this.#find(old);
    if (!found) return;
    found[1].track = track;
    await found[1].sender?.replaceTrack(track);
  }

  /** @param {MediaStream | null} stream */
  share(stream) {
    for (const track of this.#screen?.getTracks() ?? []) this.remove(track);
    this.#screen = stream;
    for (const track of stream?.getTracks() ?? []) this.add(track, /** @type {MediaStream} */ (stream));
  }

  #find(track) {
    return [...this.#sent].find(([added, sent]) => added === track || sent.track === track);
  }
}
