/**
 * A call with one peer, from joining the room to its end. One object is one call; the next call is a new one.
 *
 * @typedef {import('./signaling.js').UserId} UserId
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {import('./status.js').Status} Status
 * @typedef {import('./quality.js').Quality} Quality
 *
 * @typedef {object} Events
 * @property {Readonly<Status>} status whenever anything in it changes
 * @property {MediaStream | null} media the peer's camera and microphone; null when they are gone
 * @property {MediaStream | null} screen the peer's screen
 * @property {boolean} sharing whether one's own screen is shared
 * @property {boolean} channel whether `send` reaches the peer
 * @property {string} message the peer's `send`
 * @property {CallError} error what went wrong without ending the call
 */
import { Emitter } from './emitter.js';
import { OperationError } from './errors.js';
import { IceSource } from './ice-source.js';
import { Link } from './link.js';
import { network } from './network.js';
import { Outgoing } from './outgoing.js';
import { QualityMeter, currentPath } from './quality.js';
import { stateOf } from './status.js';

/** Errors that say nothing about the join, or after which the signaling connection does what is to be done. */
const PASSING = new Set(['buffer-full', 'message-too-long', 'rate-limited', 'replaced', 'token-failed', 'unavailable']);

const REPLACED = 4001;

/** @extends {Emitter<Events>} */
export class Call extends Emitter {
  #signaling;
  #outgoing;
  #link;
  /** @type {UserId} */
  #peer = '';
  #joined = false;
  #entered = false;
  /**
   * Why the call ended; null until it did.
   * @type {{ code?: number, error?: CallError } | null}
   */
  #end = null;
  /**
   * Why the server is gone for good, while what flows goes on without it.
   * @type {{ code?: number, error?: CallError } | null}
   */
  #loss = null;
  /** @type {QualityMeter | undefined} */
  #meter;
  /** @type {'direct' | 'relay' | undefined} */
  #path;
  /** @type {Readonly<Status>} */
  #status;
  #unwatch = () => {};
  #ice;

  /**
   * @param {import('./signaling.js').SignalingClient} signaling this call's own
   * @param {object} [options]
   * @param {MediaStream} [options.media] sent to the peer; it stays the caller's to stop
   * @param {RTCIceServer[] | (() => RTCIceServer[] | Promise<RTCIceServer[]>)} [options.iceServers] a function is asked
   *   each time they are needed, since credentials expire; without either, the signaling server is asked for them
   * @param {RTCIceTransportPolicy} [options.iceTransportPolicy]
   * @param {typeof globalThis.RTCPeerConnection} [options.RTCPeerConnection]
   */
  constructor(signaling, options = {}) {
    super();
    const { media, iceServers, iceTransportPolicy, RTCPeerConnection = globalThis.RTCPeerConnection } = options;
    this.#signaling = signaling;
    this.#ice = new IceSource(signaling, iceServers, (error) => this.emit('error', error));
    this.#outgoing = new Outgoing(media);
    this.#outgoing.on('fault', (error) => this.#fail(error));
    this.#outgoing.on('ended', ({ kind }) => {
      this.#fail(new OperationError('track-ended', `The ${kind} has ended, and is sent no more`));
    });
    this.#outgoing.on('unshared', () => this.emit('sharing', false));
    const configure = async () => ({
      iceServers: await this.#ice.servers(),
      ...(iceTransportPolicy && { iceTransportPolicy }),
    });
    signaling.on('created', () => (this.#entered = true));
    signaling.on('joined', () => (this.#entered = true));
    this.#link = new Link(signaling, { outgoing: this.#outgoing, configure, RTCPeerConnection });
    this.#link.on('change', () => this.#changed());
    for (const type of /** @type {const} */ (['media', 'screen', 'channel', 'message', 'error'])) {
      this.#link.on(type, (detail) => this.emit(type, detail));
    }
    signaling.on('open', () => this.#tell());
    signaling.on('error', (error) => this.#refused(error));
    signaling.on('closed', (why) => this.#closed(why));
    this.#status = this.#describe();
  }

  get status() {
    return this.#status;
  }

  /** The present RTCPeerConnection, for whatever the call has no word for. */
  get connection() {
    return this.#link.negotiation?.connection ?? null;
  }

  get sharing() {
    return this.#outgoing.screen !== null;
  }

  /**
   * @param {UserId} me
   * @param {UserId} peer
   * @param {{ token?: import('./signaling.js').Token }} [options] the token is needed where the server asks for one
   */
  join(me, peer, { token } = {}) {
    if (this.#end) return this.#fail(new OperationError('call-ended', 'This call has ended: make a new Call'));
    if (this.#joined) return this.#fail(new OperationError('already-joined', 'This call was joined before'));
    this.#peer = peer;
    this.#ice.token = token;
    this.#joined = true;
    this.#unwatch();
    this.#unwatch = network.on('change', () => this.#link.negotiation?.restart());
    this.#signaling.join(me, peer, { token, iceServers: this.#ice.asks });
    this.#tell();
  }

  hangUp() {
    this.#signaling.leave();
    this.#finish();
    this.#close();
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it was sent; not while the `channel` is closed
   */
  send(text) {
    return this.#link.negotiation?.say(text) ?? false;
  }

  /**
   * Another camera or microphone in mid-call, without a new negotiation.
   * @param {MediaStreamTrack} old sent at present, or before in the same place
   * @param {MediaStreamTrack | null} track null sends nothing in its place
   * @returns {Promise<boolean>} whether it is sent; an `error` says why not
   */
  async replaceTrack(old, track) {
    try {
      this.#assertOpen();
      await this.#outgoing.replace(old, track);
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /**
   * @param {MediaStreamTrack} track sent from now on, beside the others
   * @returns {boolean} whether it is; an `error` says why not
   */
  addTrack(track) {
    return this.#attempt(() => this.#outgoing.add(track));
  }

  /**
   * @param {MediaStreamTrack} track sent no more
   * @returns {boolean} whether it was sent; an `error` says why not
   */
  removeTrack(track) {
    return this.#attempt(() => this.#outgoing.remove(track));
  }

  /**
   * @param {MediaStream} stream of `getDisplayMedia`; it is taken out by itself when the browser ends it
   * @returns {boolean} whether it is shared; an `error` says why not
   */
  shareScreen(stream) {
    const shared = this.#attempt(() => this.#outgoing.share(stream));
    if (shared) this.emit('sharing', true);
    return shared;
  }

  /** The stream stays the caller's to stop. */
  stopSharing() {
    if (!this.sharing) return;
    this.#outgoing.share(null);
    this.emit('sharing', false);
  }

  /** @returns {Promise<Quality | null>} the figures since this was last asked; null while nothing is connected */
  async quality() {
    const { connection } = this;
    if (!connection) return null;
    if (this.#meter?.connection !== connection) this.#meter = new QualityMeter(connection);
    return /** @type {QualityMeter} */ (this.#meter).measure();
  }

  #changed() {
    const { negotiation } = this.#link;
    if (!negotiation?.connected) this.#path = undefined;
    if (this.#loss && !negotiation) this.#finish(this.#loss);
    this.#tell();
    if (negotiation?.connected) this.#findPath(negotiation);
  }

  async #findPath(negotiation) {
    const path = await currentPath(negotiation.connection).catch(() => undefined);
    if (negotiation !== this.#link.negotiation || !negotiation.connected) return;
    this.#path = path;
    this.#tell();
  }

  #refused(error) {
    // What was still on its way when the peer left; its `bye` has said so already.
    if (error.code === 'peer-absent') return;
    this.emit('error', error);
    // Before the server let us in, it is its answer to the join; later ones are about a single message.
    // What ended after we had been in, the signaling connection knows what to do about.
    const expired = this.#entered && error.code === 'unauthorized';
    if (this.#link.present === 'nobody' && !PASSING.has(error.code) && !expired) this.#finish({ error });
  }

  /** @param {{ code: number, error?: CallError }} why */
  #closed(why) {
    // Replaced by another tab, the call goes on there.
    if (why.code === REPLACED || !this.#link.negotiation?.connected) return this.#finish(why);
    this.#loss = why;
    this.#link.detach();
    this.#tell();
  }

  #finish(why = {}) {
    if (this.#end) return;
    this.#end = why;
    this.#close();
    this.#tell();
  }

  #close() {
    this.#unwatch();
    this.#unwatch = () => {};
    this.#signaling.close();
    this.#link.end();
    this.#outgoing.close();
  }

  #assertOpen() {
    if (this.#end) throw new OperationError('call-ended', 'This call has ended');
  }

  #attempt(action) {
    try {
      this.#assertOpen();
      action();
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** @returns {false} */
  #fail({ code = 'failed', message }) {
    this.emit('error', { code, message });
    return false;
  }

  #tell() {
    const status = this.#describe();
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.emit('status', status);
  }

  #describe() {
    const { present, negotiation, reason, problem } = this.#link;
    const [joined, entered, ended] = [this.#joined, this.#entered, this.#end !== null];
    const state = stateOf({ joined, entered, ended, present, negotiation });
    const { state: signaling, retry } = this.#signaling;
    return Object.freeze({
      state,
      peer: this.#peer,
      signaling,
      ...(retry && { retry }),
      ...(state === 'connected' && this.#path && { path: this.#path }),
      ...(state === 'waiting' && reason && { reason }),
      ...(state === 'connecting' && problem && { problem }),
      ...(state === 'connected' && this.#loss?.error && { error: this.#loss.error }),
      ...this.#end,
    });
  }
}
