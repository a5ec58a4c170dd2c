/**
 * One attempt to connect to the peer: one RTCPeerConnection, from its first description to its end.
 *
 * The roles come from the server and hold for the whole attempt. The side that `offers` makes the first offer, since
 * two first offers that cross can hang for good. Later either side may offer; when offers cross, the side that made the
 * first one ignores the other's, and the other side rolls back its own.
 *
 * Events: `state`, the RTCPeerConnection's `connectionState`, and `media`, a MediaStream of the peer's.
 */
export class Negotiation extends EventTarget {
  #connection;
  #signaling;
  #offers;
  /** Candidates that came before the description they belong to. */
  #early = [];
  /**
   * Descriptions and candidates are taken one at a time, in the order in which they came. The chain lives and dies with
   * its connection: what waits on a closed RTCPeerConnection waits for ever.
   */
  #steps = Promise.resolve();

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {object} options
   * @param {boolean} options.offers
   * @param {MediaStream} options.media sent to the peer
   * @param {RTCIceServer[]} options.iceServers
   * @param {typeof globalThis.RTCPeerConnection} options.RTCPeerConnection
   */
  constructor(signaling, { offers, media, iceServers, RTCPeerConnection }) {
    super();
    this.#signaling = signaling;
    this.#offers = offers;
    const connection = new RTCPeerConnection({ iceServers });
    connection.onnegotiationneeded = () => {
      // The one that waits brings its own tracks into the answer; what does not fit there, the browser asks for again.
      if (offers || connection.remoteDescription) this.#step(() => this.#offer());
    };
    connection.onicecandidate = ({ candidate }) => candidate && signaling.candidate(candidate);
    connection.onconnectionstatechange = () => this.#emit('state', connection.connectionState);
    connection.ontrack = ({ track, streams }) => this.#emit('media', streams[0] ?? new MediaStream([track]));
    this.#connection = connection;
    for (const track of media.getTracks()) connection.addTrack(track, media);
  }

  get connected() {
    return this.#connection.connectionState === 'connected';
  }

  /** @param {any} data what the peer sent; anything that is not about the connection is somebody else's */
  receive(data) {
    if (data?.type === 'offer' || data?.type === 'answer') this.#step(() => this.#accept(data));
    else if (data?.type === 'candidate') this.#step(() => this.#add(data.candidate));
  }

  close() {
    const connection = this.#connection;
    connection.onnegotiationneeded = connection.onicecandidate = null;
    connection.onconnectionstatechange = connection.ontrack = null;
    connection.close();
  }

  /** A step that fails costs itself only; whether the call still connects is for the call's watchdog to see. */
  #step(take) {
    this.#steps = this.#steps.then(take).catch((error) => console.warn('A negotiation step failed:', error));
  }

  async #offer() {
    // In any other state it is too early, and the browser asks again when it is time.
    if (this.#connection.signalingState === 'stable') await this.#describe();
  }

  async #describe() {
    await this.#connection.setLocalDescription();
    const { type, sdp } = this.#connection.localDescription;
    this.#signaling.send({ type, sdp });
  }

  async #accept({ type, sdp }) {
    const offering = this.#connection.signalingState === 'have-local-offer';
    const expected = type === 'offer' ? !(offering && this.#offers) : offering;
    if (!expected) return;
    await this.#connection.setRemoteDescription({ type, sdp });
    for (const candidate of this.#early.splice(0)) await this.#add(candidate);
    if (type === 'offer') await this.#describe();
  }

  async #add(candidate) {
    if (!this.#connection.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    // A candidate of an offer that was ignored, or of an earlier attempt, is refused here, and is not missed.
    await this.#connection.addIceCandidate(candidate).catch(() => {});
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
