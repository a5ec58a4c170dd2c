/**
 * What is sent to the peer: the camera and microphone in one stream, a shared screen in another. It outlives the single
 * RTCPeerConnection: the next one is given the same.
 *
 * Each track stands in a slot, which keeps its transceiver for the next track of its kind and stream. So a camera or a
 * screen may come and go any number of times: the description has one m-line for it, not one each time.
 *
 * @typedef {object} Slot
 * @property {string} kind
 * @property {MediaStream} stream
 * @property {MediaStreamTrack | null} track what is sent at present
 * @property {boolean} free whether any track of the same kind and stream may stand here next
 * @property {WeakSet<MediaStreamTrack>} known what is or was sent here: callers name the slot by any of them
 * @property {RTCRtpTransceiver | null} transceiver on the present connection
 *
 * @typedef {object} Events
 * @property {MediaStreamTrack} ended a camera or microphone that is sent no more: it is gone, or the browser took it back
 * @property {undefined} unshared the last track of the screen has ended
 * @property {OperationError} fault a track could not be sent
 */
import { Emitter } from './emitter.js';
import { OperationError, messageOf } from './errors.js';

/** @extends {Emitter<Events>} */
export class Outgoing extends Emitter {
  /** The main stream; made when needed if the call began without one. */
  #stream;
  /** The stream that every screen is sent in, one after the other. @type {MediaStream | undefined} */
  #screenStream;
  /** @type {MediaStream | null} */
  #screen = null;
  /** @type {Slot[]} */
  #slots = [];
  /** @type {RTCPeerConnection | null} */
  #connection = null;

  /** @param {MediaStream} [stream] */
  constructor(stream) {
    super();
    this.#stream = stream;
    for (const track of stream?.getTracks() ?? []) if (isLive(track)) this.#put(track, stream);
  }

  /** The peer cannot tell a screen from a camera unless it is told this. */
  get screenId() {
    return this.#screen && this.#screenStream ? this.#screenStream.id : null;
  }

  get screen() {
    return this.#screen;
  }

  /** @param {string} kind */
  has(kind) {
    return this.#slots.some(({ track }) => track?.kind === kind);
  }

  /** @param {RTCPeerConnection | null} connection where it all goes from now on */
  attach(connection) {
    this.#connection = connection;
    this.#slots = this.#slots.filter(({ free }) => !free);
    for (const slot of this.#slots) {
      slot.transceiver = null;
      this.#tell(this.#fill(slot, slot.track));
    }
  }

  /** Let go of every track; they are the caller's to stop. */
  close() {
    this.attach(null);
    for (const slot of this.#slots.splice(0)) this.#hold(slot, null);
    this.#screen = null;
  }

  /**
   * @param {MediaStreamTrack} track
   * @throws {OperationError} `track-ended`, `already-sent`
   */
  add(track) {
    this.#check(track);
    this.#put(track, (this.#stream ??= new MediaStream()));
  }

  /**
   * @param {MediaStreamTrack} track sent at present, or before in the same place
   * @throws {OperationError} `unknown-track`
   */
  remove(track) {
    this.#release(this.#find(track));
  }

  /**
   * Without a new negotiation.
   * @param {MediaStreamTrack} old sent at present, or before in the same place
   * @param {MediaStreamTrack | null} track
   * @throws {OperationError} `unknown-track`, `wrong-kind`, `track-ended`, `already-sent`, `replace-failed`
   */
  async replace(old, track) {
    const slot = this.#find(old);
    if (track === slot.track) return;
    if (track) this.#check(track, slot.kind);
    await this.#fill(slot, track);
  }

  /**
   * @param {MediaStream | null} stream
   * @throws {OperationError} `track-ended`
   */
  share(stream) {
    const tracks = stream?.getTracks().filter(isLive) ?? [];
    if (stream && !tracks.length) throw new OperationError('track-ended', 'The screen is not captured any more');
    this.#screen = stream;
    this.#screenStream ??= new MediaStream();
    for (const slot of this.#screenSlots()) {
      const next = tracks.findIndex(({ kind }) => kind === slot.kind);
      if (next < 0) this.#release(slot);
      // What takes the place of its kind needs no new description.
      else this.#tell(this.#fill(slot, tracks.splice(next, 1)[0]));
    }
    for (const track of tracks) this.#put(track, this.#screenStream);
  }

  #find(track) {
    const slot =
      this.#slots.find((each) => each.track !== null && each.track === track) ??
      this.#slots.findLast(({ known }) => track && known.has(track));
    if (!slot) throw new OperationError('unknown-track', 'This track is not sent');
    return slot;
  }

  #check(track, kind = track.kind) {
    if (track.kind !== kind) throw new OperationError('wrong-kind', `The track in the place of ${kind} must be ${kind}`);
    if (!isLive(track)) throw new OperationError('track-ended', 'This track has ended');
    if (this.#slots.some((slot) => slot.track === track)) throw new OperationError('already-sent', 'This track is sent');
  }

  #put(track, stream) {
    let slot = this.#slots.find((each) => each.free && each.stream === stream && each.kind === track.kind);
    if (!slot) {
      slot = { kind: track.kind, stream, track: null, free: true, known: new WeakSet(), transceiver: null };
      this.#slots.push(slot);
    }
    slot.free = false;
    this.#tell(this.#fill(slot, track));
  }

  async #fill(slot, track) {
    const before = slot.track;
    this.#hold(slot, track);
    try {
      await this.#send(slot);
    } catch (error) {
      if (slot.track === track) this.#hold(slot, before);
      throw new OperationError('replace-failed', messageOf(error));
    }
  }

  #hold(slot, track) {
    slot.track?.removeEventListener('ended', this.#onended);
    slot.track = track;
    if (!track) return;
    slot.known.add(track);
    track.addEventListener('ended', this.#onended);
  }

  async #send(slot) {
    const { track, transceiver, stream } = slot;
    const connection = this.#connection;
    if (!connection) return;
    if (transceiver && transceiver.currentDirection !== 'stopped') {
      if (track) transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(track).catch((error) => {
        // A connection that was closed meanwhile has nothing to send; the next one is given the track.
        if (connection === this.#connection) throw error;
      });
    } else if (track) {
      const sender = connection.addTrack(track, stream);
      slot.transceiver = connection.getTransceivers().find((each) => each.sender === sender) ?? null;
    }
  }

  #empty(slot) {
    this.#hold(slot, null);
    if (slot.transceiver) this.#connection?.removeTrack(slot.transceiver.sender);
  }

  #release(slot) {
    slot.free = true;
    slot.known = new WeakSet();
    this.#empty(slot);
  }

  #onended = ({ target }) => {
    const slot = this.#slots.find(({ track }) => track === target);
    if (!slot || isLive(target)) return;
    // The peer is told by a new description: a picture that merely stopped would stand still.
    this.#empty(slot);
    if (slot.stream !== this.#screenStream) {
      this.emit('ended', target);
      return;
    }
    if (this.#screenSlots().some(({ track }) => track)) return;
    this.#screen = null;
    this.#screenSlots().forEach((each) => this.#release(each));
    this.emit('unshared', undefined);
  };

  #screenSlots() {
    return this.#slots.filter(({ stream, free }) => stream === this.#screenStream && !free);
  }

  /** Where nobody waits for the outcome, it is an event. @param {Promise<void>} outcome */
  #tell(outcome) {
    outcome.catch((fault) => this.emit('fault', fault));
  }
}

function isLive({ readyState }) {
  return readyState === 'live';
}
