/**
 * A call with one peer, from the join to the end. The next call needs a new object. docs/client.md is its contract.
 *
 * @typedef {import('./signaling-events.js').UserId} UserId
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {import('./status.js').EndReason} EndReason
 * @typedef {import('./status.js').Status} Status
 * @typedef {import('./quality-meter.js').Quality} Quality
 *
 * @typedef {object} Events
 * @property {Readonly<Status>} status whenever anything in it changes
 * @property {MediaStream | null} media the peer's camera and microphone; null when they are gone
 * @property {MediaStream | null} screen the peer's shared screen; null when it is gone
 * @property {boolean} sharing whether the user's own screen is shared
 * @property {boolean} channel whether `send` reaches the peer
 * @property {string} message the text of the peer's `send`
 * @property {CallError} error what went wrong without ending the call
 */
import { Emitter } from './emitter.js';
import { CLOSE_CODES, OperationError, errorMessage } from './errors.js';
import { IceServerSource } from './ice-server-source.js';
import { network } from './network.js';
import { OutgoingMedia } from './outgoing-media.js';
import { PeerSession } from './peer-session.js';
import { QualityMeter } from './quality-meter.js';
import { createStatus } from './status.js';

/** Errors that are no answer to a join, or that the signaling connection handles by itself. */
const NON_FATAL = new Set(
  ['buffer-full', 'message-too-long', 'rate-limited', 'replaced', 'token-failed', 'unavailable'],
);

/** @type {[code: string, message: string]} */
const CALL_ENDED = ['call-ended', 'This call has ended; make a new Call'];

/** @extends {Emitter<Events>} */
export class Call extends Emitter {
  #signaling;
  #iceServers;
  #outgoing;
  #session;
  /** @type {UserId} */
  #peer = '';
  /** Whether `join` was called. */
  #joined = false;
  /** Whether the server ever accepted the join. */
  #entered = false;
  /** @type {EndReason | null} why the call ended; null until it has */
  #endReason = null;
  /** @type {EndReason | null} why the server is gone for good, while the connection to the peer goes on */
  #serverLoss = null;
  #meter = new QualityMeter();
  /** @type {Readonly<Status>} */
  #status;
  #unsubscribe = () => {};

  /**
   * @param {import('./signaling.js').SignalingClient} signaling for this call only
   * @param {object} [options]
   * @param {MediaStream} [options.media] what is sent to the peer; the caller stops its tracks
   * @param {RTCIceServer[] | (() => RTCIceServer[] | Promise<RTCIceServer[]>)} [options.iceServers] a function is
   *   called each time they are needed, since credentials expire; by default the signaling server lists them
   * @param {RTCIceTransportPolicy} [options.iceTransportPolicy] `relay` for a call through TURN only
   * @param {typeof globalThis.RTCPeerConnection} [options.RTCPeerConnection] another implementation
   */
  constructor(signaling, options = {}) {
    super();
    const { media, iceServers, iceTransportPolicy, RTCPeerConnection = globalThis.RTCPeerConnection } = options;
    this.#signaling = signaling;
    this.#iceServers = new IceServerSource(signaling, iceServers, (error) => this.emit('error', error));
    this.#outgoing = new OutgoingMedia(media);
    this.#outgoing.on('error', (error) => this.#reportError(error));
    this.#outgoing.on('trackEnded', ({ kind }) => {
      this.#reportError(new OperationError('track-ended', `The ${kind} track has ended and is no longer sent`));
    });
    this.#outgoing.on('screenEnded', () => this.emit('sharing', false));
    const configure = async () => ({
      iceServers: await this.#iceServers.current(),
      ...(iceTransportPolicy && { iceTransportPolicy }),
    });
    // Before the session listens, so that the status it causes has the new value.
    signaling.on('created', () => (this.#entered = true));
    signaling.on('joined', () => (this.#entered = true));
    this.#session = new PeerSession(signaling, { outgoing: this.#outgoing, configure, RTCPeerConnection });
    this.#session.on('change', () => this.#handleSessionChange());
    for (const type of /** @type {const} */ (['media', 'screen', 'channel', 'message', 'error'])) {
      this.#session.on(type, (/** @type {any} */ detail) => this.emit(type, detail));
    }
    signaling.on('open', () => this.#updateStatus());
    signaling.on('error', (error) => this.#handleServerError(error));
    signaling.on('closed', (reason) => this.#handleServerLoss(reason));
    this.#status = this.#createStatus();
  }

  /** The latest status; an object that does not change. */
  get status() {
    return this.#status;
  }

  /** @returns {RTCPeerConnection | null} the present one, for whatever this class does not offer */
  get connection() {
    return this.#session.negotiation?.connection ?? null;
  }

  /** Whether the user's own screen is shared. */
  get sharing() {
    return this.#outgoing.screen !== null;
  }

  /**
   * Enter the room of the two. The call begins as soon as both are there.
   *
   * An `error` event reports `call-ended` or `already-joined` if this object cannot join.
   * @param {UserId} me
   * @param {UserId} peer
   * @param {object} [options]
   * @param {import('./join-credentials.js').Token} [options.token] needed if the server asks for one
   */
  join(me, peer, { token } = {}) {
    if (this.#endReason || this.#joined) {
      const [code, message] = this.#endReason ? CALL_ENDED : ['already-joined', 'This call was joined before'];
      this.#reportError(new OperationError(code, message));
      return;
    }
    this.#peer = peer;
    this.#iceServers.token = token;
    this.#joined = true;
    this.#unsubscribe = network.on('change', () => this.#session.negotiation?.restart());
    this.#signaling.join(me, peer, { token, iceServers: this.#iceServers.usesServer });
    this.#updateStatus();
  }

  /** Leave the room and close everything. Further calls change nothing. */
  hangUp() {
    this.#signaling.leave();
    this.#end();
    this.#close();
  }

  /**
   * Send a text to the peer, over the data channel.
   * @param {string} text
   * @returns {boolean} false if it was not sent, since the `channel` is closed or its buffer is full
   */
  send(text) {
    return this.#session.negotiation?.sendText(text) ?? false;
  }

  /**
   * Send another camera or microphone, without a new negotiation.
   * @param {MediaStreamTrack} old the one that is sent, or was sent before in the same place
   * @param {MediaStreamTrack | null} track null sends nothing in its place
   * @returns {Promise<boolean>} false if it is not sent; an `error` event says why: `call-ended`, `unknown-track`,
   *   `wrong-kind`, `track-ended`, `already-sent`, `replace-failed`
   */
  async replaceTrack(old, track) {
    try {
      this.#assertNotEnded();
      await this.#outgoing.replace(old, track);
      return true;
    } catch (error) {
      return this.#reportError(error);
    }
  }

  /**
   * Send one more track.
   * @param {MediaStreamTrack} track
   * @returns {boolean} false if it is not sent; an `error` event says why: `call-ended`, `track-ended`, `already-sent`
   */
  addTrack(track) {
    return this.#attempt(() => this.#outgoing.add(track));
  }

  /**
   * Stop sending a track.
   * @param {MediaStreamTrack} track the one that is sent, or was sent before in the same place
   * @returns {boolean} false if it was not sent; an `error` event says why: `call-ended`, `unknown-track`
   */
  removeTrack(track) {
    return this.#attempt(() => this.#outgoing.remove(track));
  }

  /**
   * Send the screen beside the camera, until {@link stopSharing} or until the browser ends the capture.
   * @param {MediaStream} stream what `getDisplayMedia` returned
   * @returns {boolean} false if it is not shared; an `error` event says why: `call-ended`, `track-ended`
   */
  shareScreen(stream) {
    const shared = this.#attempt(() => this.#outgoing.share(stream));
    if (shared) this.emit('sharing', true);
    return shared;
  }

  /** Stop sending the screen. The caller stops the tracks of its stream. */
  stopSharing() {
    if (!this.sharing) return;
    this.#outgoing.share(null);
    this.emit('sharing', false);
  }

  /** @returns {Promise<Quality | null>} the figures since the last call of it; null while nothing is connected */
  async quality() {
    const { connection } = this;
    return connection ? this.#meter.measure(connection) : null;
  }

  #handleSessionChange() {
    if (this.#serverLoss && !this.#session.negotiation) this.#end(this.#serverLoss);
    this.#updateStatus();
  }

  /** @param {CallError} error */
  #handleServerError(error) {
    // It answers messages that were on their way when the peer left. The `bye` before it has said so.
    if (error.code === 'peer-absent') return;
    this.emit('error', error);
    // Outside of the room it answers the join; inside, it is about a single message. If a token expires after the room
    // was entered, the signaling connection asks for another one.
    const expired = this.#entered && error.code === 'unauthorized';
    if (this.#session.presence === 'nobody' && !NON_FATAL.has(error.code) && !expired) this.#end({ error });
  }

  /** @param {EndReason} reason */
  #handleServerLoss(reason) {
    // If another tab replaced this one, the call goes on there. If the app ended the call, its media end as well.
    const over = reason.code === CLOSE_CODES.REPLACED || reason.code === CLOSE_CODES.ENDED;
    if (over || !this.#session.negotiation?.connected) {
      this.#end(reason);
      return;
    }
    this.#serverLoss = reason;
    this.#session.detach();
    this.#updateStatus();
  }

  /** @param {EndReason} [reason] */
  #end(reason = {}) {
    if (this.#endReason) return;
    this.#endReason = reason;
    this.#close();
    this.#updateStatus();
  }

  #close() {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#signaling.close();
    this.#session.close();
    this.#outgoing.close();
  }

  /** @throws {OperationError} `call-ended` */
  #assertNotEnded() {
    if (this.#endReason) throw new OperationError(...CALL_ENDED);
  }

  /**
   * @param {() => void} action
   * @returns {boolean} whether it succeeded; an `error` event says why not
   */
  #attempt(action) {
    try {
      this.#assertNotEnded();
      action();
      return true;
    } catch (error) {
      return this.#reportError(error);
    }
  }

  /**
   * @param {unknown} thrown
   * @returns {false}
   */
  #reportError(thrown) {
    const code = thrown instanceof OperationError ? thrown.code : 'failed';
    this.emit('error', { code, message: errorMessage(thrown) });
    return false;
  }

  #updateStatus() {
    const status = this.#createStatus();
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.emit('status', status);
  }

  #createStatus() {
    return createStatus({
      peer: this.#peer,
      joined: this.#joined,
      entered: this.#entered,
      endReason: this.#endReason,
      serverLoss: this.#serverLoss,
      session: this.#session,
      signaling: this.#signaling,
    });
  }
}
