/**
 * The media for the peer: the camera and microphone in one stream, a shared screen in another. It outlives each
 * RTCPeerConnection, and is attached to the next one.
 *
 * Each track has a slot, which keeps its transceiver for the next track of its kind and stream. So a camera or a screen
 * may come and go any number of times, and the session description still has one m-line for it.
 *
 * @typedef {object} Slot
 * @property {string} kind
 * @property {MediaStream} stream
 * @property {MediaStreamTrack | null} track the one that is sent now
 * @property {boolean} free whether the next track of the same kind and stream may take the slot
 * @property {WeakSet<MediaStreamTrack>} known all that were sent in it; a caller names the slot by any of them
 * @property {RTCRtpTransceiver | null} transceiver on the present connection
 *
 * @typedef {object} Events
 * @property {MediaStreamTrack} trackEnded a camera or microphone that is no longer sent: its device is gone
 * @property {undefined} screenEnded the last track of the screen has ended
 * @property {OperationError} error a track could not be sent
 */
import { Emitter } from './emitter.js';
import { OperationError, errorMessage } from './errors.js';

/** @extends {Emitter<Events>} */
export class OutgoingMedia extends Emitter {
  /** The stream of camera and microphone. A call that began without one makes it when it is needed. */
  #stream;
  /** @type {MediaStream | undefined} the stream that carries each shared screen, one after the other */
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
    for (const track of stream?.getTracks() ?? []) {
      if (isLive(track)) this.#place(track, /** @type {MediaStream} */ (stream));
    }
  }

  /** The id of the stream that is the screen; null without one. Only this tells the peer a screen from a camera. */
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

  /** @param {RTCPeerConnection | null} connection where every track is sent from now on */
  attach(connection) {
    this.#connection = connection;
    this.#slots = this.#slots.filter(({ free }) => !free);
    for (const slot of this.#slots) {
      slot.transceiver = null;
      this.#reportError(this.#setTrack(slot, slot.track));
    }
  }

  /** Send nothing any more. The caller stops its own tracks. */
  close() {
    this.attach(null);
    for (const slot of this.#slots.splice(0)) this.#assign(slot, null);
    this.#screen = null;
  }

  /**
   * @param {MediaStreamTrack} track
   * @throws {OperationError} `track-ended`, `already-sent`
   */
  add(track) {
    this.#check(track);
    this.#place(track, (this.#stream ??= new MediaStream()));
  }

  /**
   * @param {MediaStreamTrack} track the one that is sent, or was sent before in the same slot
   * @throws {OperationError} `unknown-track`
   */
  remove(track) {
    this.#release(this.#find(track));
  }

  /**
   * Send another track in the same slot, without a new negotiation.
   * @param {MediaStreamTrack} old the one that is sent, or was sent before in the same slot
   * @param {MediaStreamTrack | null} track null sends nothing
   * @throws {OperationError} `unknown-track`, `wrong-kind`, `track-ended`, `already-sent`, `replace-failed`
   */
  async replace(old, track) {
    const slot = this.#find(old);
    if (track === slot.track) return;
    if (track) this.#check(track, slot.kind);
    await this.#setTrack(slot, track);
  }

  /**
   * @param {MediaStream | null} stream the screen; null shares none
   * @throws {OperationError} `track-ended`
   */
  share(stream) {
    const tracks = stream?.getTracks().filter(isLive) ?? [];
    if (stream && !tracks.length) throw new OperationError('track-ended', 'The screen capture has ended');
    this.#screen = stream;
    this.#screenStream ??= new MediaStream();
    for (const slot of this.#screenSlots()) {
      const next = tracks.findIndex(({ kind }) => kind === slot.kind);
      if (next < 0) this.#release(slot);
      // A track that replaces one of its kind needs no new description.
      else this.#reportError(this.#setTrack(slot, tracks.splice(next, 1)[0]));
    }
    for (const track of tracks) this.#place(track, this.#screenStream);
  }

  /** @param {MediaStreamTrack} track */
  #find(track) {
    const slot =
      this.#slots.find((each) => each.track !== null && each.track === track) ??
      this.#slots.findLast(({ known }) => track && known.has(track));
    if (!slot) throw new OperationError('unknown-track', 'This track is not sent');
    return slot;
  }

  /** @param {MediaStreamTrack} track */
  #check(track, kind = track.kind) {
    if (track.kind !== kind) throw new OperationError('wrong-kind', `Only ${kind} can replace a track of ${kind}`);
    if (!isLive(track)) throw new OperationError('track-ended', 'This track has ended');
    if (this.#slots.some((slot) => slot.track === track)) {
      throw new OperationError('already-sent', 'This track is sent already');
    }
  }

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStream} stream
   */
  #place(track, stream) {
    let slot = this.#slots.find((each) => each.free && each.stream === stream && each.kind === track.kind);
    if (!slot) {
      slot = { kind: track.kind, stream, track: null, free: true, known: new WeakSet(), transceiver: null };
      this.#slots.push(slot);
    }
    slot.free = false;
    this.#reportError(this.#setTrack(slot, track));
  }

  /**
   * @param {Slot} slot
   * @param {MediaStreamTrack | null} track
   */
  async #setTrack(slot, track) {
    const before = slot.track;
    this.#assign(slot, track);
    try {
      await this.#send(slot);
    } catch (error) {
      if (slot.track === track) this.#assign(slot, before);
      throw new OperationError('replace-failed', errorMessage(error));
    }
  }

  /**
   * @param {Slot} slot
   * @param {MediaStreamTrack | null} track
   */
  #assign(slot, track) {
    slot.track?.removeEventListener('ended', this.#handleEnd);
    slot.track = track;
    if (!track) return;
    slot.known.add(track);
    track.addEventListener('ended', this.#handleEnd);
  }

  /** @param {Slot} slot */
  async #send(slot) {
    const { track, transceiver, stream } = slot;
    const connection = this.#connection;
    if (!connection) return;
    if (transceiver && transceiver.currentDirection !== 'stopped') {
      if (track) transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(track).catch((error) => {
        // If the connection was closed meanwhile, the next one sends the track.
        if (connection === this.#connection) throw error;
      });
    } else if (track) {
      const sender = connection.addTrack(track, stream);
      slot.transceiver = connection.getTransceivers().find((each) => each.sender === sender) ?? null;
    }
  }

  /** @param {Slot} slot */
  #vacate(slot) {
    this.#assign(slot, null);
    if (slot.transceiver) this.#connection?.removeTrack(slot.transceiver.sender);
  }

  /** @param {Slot} slot */
  #release(slot) {
    slot.free = true;
    slot.known = new WeakSet();
    this.#vacate(slot);
  }

  #handleEnd = (/** @type {Event} */ event) => {
    const ended = /** @type {MediaStreamTrack} */ (event.target);
    const slot = this.#slots.find(({ track }) => track === ended);
    if (!slot || isLive(ended)) return;
    // A new description tells the peer. Without it, the last picture would stand still there.
    this.#vacate(slot);
    if (slot.stream !== this.#screenStream) {
      this.emit('trackEnded', ended);
      return;
    }
    if (this.#screenSlots().some(({ track }) => track)) return;
    this.#screen = null;
    this.#screenSlots().forEach((each) => this.#release(each));
    this.emit('screenEnded', undefined);
  };

  #screenSlots() {
    return this.#slots.filter(({ stream, free }) => stream === this.#screenStream && !free);
  }

  /** Make the error an event, for callers that do not wait. @param {Promise<void>} sending */
  #reportError(sending) {
    sending.catch((error) => this.emit('error', error));
  }
}

/** @param {MediaStreamTrack} track */
function isLive({ readyState }) {
  return readyState === 'live';
}
