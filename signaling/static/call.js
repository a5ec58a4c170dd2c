/**
 * A call with one peer, from joining the room to its end. One object is one call; the next call is a new one.
 *
 * The server says who starts: `ready` means make the offer, `joined` means wait for it. Each of the two also means that
 * whatever was negotiated before is void, so each builds a new {@link Negotiation}. Media outlives signaling: while it
 * flows, neither a dropped socket nor a peer that was lost (rather than left) ends it, only the next negotiation does.
 *
 * Events: `status` ({@link Status}) whenever it changes, `media` (the peer's MediaStream, or null when it is gone), and
 * `error` ({@link import('./signaling.js').SignalingError}) for what the server refused without ending the call.
 *
 * @typedef {import('./signaling.js').UserId} UserId
 * @typedef {import('./signaling.js').SignalingError} SignalingError
 * @typedef {'joining' | 'waiting' | 'connecting' | 'connected' | 'reconnecting' | 'ended'} State
 * @typedef {object} Status
 * @property {State} state
 * @property {UserId} peer
 * @property {'left' | 'lost'} [reason] `waiting`: how the peer went, if it had been there
 * @property {number} [code] `reconnecting` and `ended`: the WebSocket close code, if that is the reason
 * @property {number} [delay] `reconnecting`: milliseconds until the next attempt
 * @property {SignalingError} [error] `ended`: what the server refused; with neither this nor `code` it was a hang-up
 */
import { Negotiation } from './negotiation.js';

/** How long either side waits for a connection. The two differ, so that not both start over at once. */
const OFFERING_PATIENCE = 10_000;
const ANSWERING_PATIENCE = 15_000;

export class Call extends EventTarget {
  #signaling;
  #options;
  #me;
  #peer;
  /** Who is in the room, as far as the server told: `nobody` until it lets us in, and while the socket is down. */
  #present = 'nobody';
  #state;
  /** @type {Negotiation | null} */
  #negotiation = null;
  #patience = OFFERING_PATIENCE;
  #watchdog = null;
  /** @type {SignalingError | undefined} */
  #error;

  /**
   * @param {import('./signaling.js').SignalingClient} signaling this call's own
   * @param {object} options
   * @param {MediaStream} options.media sent to the peer; it stays the caller's to stop
   * @param {RTCIceServer[]} [options.iceServers]
   * @param {typeof globalThis.RTCPeerConnection} [options.RTCPeerConnection]
   */
  constructor(signaling, { media, iceServers = [], RTCPeerConnection = globalThis.RTCPeerConnection }) {
    super();
    this.#signaling = signaling;
    this.#options = { media, iceServers, RTCPeerConnection };
    const on = (type, listener) => signaling.addEventListener(type, ({ detail }) => listener(detail));
    on('created', () => this.#alone());
    on('joined', () => this.#negotiate({ offers: false }));
    on('ready', () => this.#negotiate({ offers: true }));
    on('message', ({ data }) => this.#negotiation?.receive(data));
    on('bye', ({ reason = 'left' }) => this.#alone(reason));
    on('error', ({ code, message }) => this.#refused({ code, message }));
    on('reconnecting', (retry) => this.#dropped(retry));
    on('closed', ({ code }) => this.#end({ code, error: this.#error }));
  }

  /**
   * @param {UserId} me
   * @param {UserId} peer
   */
  join(me, peer) {
    this.#me = me;
    this.#peer = peer;
    this.#say('joining');
    this.#signaling.join(me, peer);
  }

  hangUp() {
    this.#signaling.bye();
    this.#end();
  }

  #negotiate({ offers }) {
    this.#discard();
    this.#present = 'both';
    this.#patience = offers ? OFFERING_PATIENCE : ANSWERING_PATIENCE;
    this.#negotiation = new Negotiation(this.#signaling, { offers, ...this.#options });
    this.#negotiation.addEventListener('state', () => this.#progress());
    this.#negotiation.addEventListener('media', ({ detail }) => this.#emit('media', detail));
    this.#progress();
  }

  #progress() {
    if (this.#negotiation.connected) {
      this.#calm();
      if (this.#present === 'both') this.#say('connected');
    } else if (this.#present === 'both') {
      this.#say('connecting');
      this.#watchdog ??= setTimeout(() => this.#startOver(), this.#patience);
    } else {
      this.#discard();
      if (this.#present === 'me') this.#say('waiting', { reason: 'lost' });
    }
  }

  /** Joining again makes the server tell both sides to begin anew, whatever state either of them is stuck in. */
  #startOver() {
    this.#signaling.join(this.#me, this.#peer);
    this.#watchdog = setTimeout(() => this.#startOver(), this.#patience);
  }

  #alone(reason) {
    this.#present = 'me';
    this.#calm();
    if (this.#negotiation?.connected && reason !== 'left') {
      this.#say('connected');
    } else {
      this.#discard();
      this.#say('waiting', { reason });
    }
  }

  #dropped({ code, delay }) {
    this.#present = 'nobody';
    this.#calm();
    if (!this.#negotiation?.connected) this.#discard();
    this.#say('reconnecting', { code, delay });
  }

  /** An error before the server let us in is its answer to the join; later ones are about a single message. */
  #refused(error) {
    this.#error = error;
    if (this.#present === 'nobody') this.#end({ error });
    else this.#emit('error', error);
  }

  #end(why = {}) {
    if (this.#state === 'ended') return;
    this.#present = 'nobody';
    this.#signaling.close();
    this.#discard();
    this.#say('ended', why);
  }

  #discard() {
    this.#calm();
    if (!this.#negotiation) return;
    this.#negotiation.close();
    this.#negotiation = null;
    this.#emit('media', null);
  }

  #calm() {
    clearTimeout(this.#watchdog);
    this.#watchdog = null;
  }

  #say(state, details = {}) {
    this.#state = state;
    this.#emit('status', { state, peer: this.#peer, ...details });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
