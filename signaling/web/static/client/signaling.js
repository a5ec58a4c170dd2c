/**
 * The signaling connection: one WebSocket to the server, which comes back by itself when it drops.
 *
 * Whatever the server says becomes an event named after the message's `type`, with the message as its `detail`:
 * `created`, `joined`, `ready`, `roomInfo`, `message`, `bye`, `error`. Three events are this client's own: `open` when
 * the socket opened, `reconnecting` when it dropped and will be opened again, and `closed` when it will not.
 *
 * @typedef {string | number} UserId
 * @typedef {string | undefined | (() => string | undefined | Promise<string | undefined>)} Token a function is asked for
 *   each join, also that of a reconnect, since tokens expire
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {'idle' | 'connecting' | 'open' | 'reconnecting' | 'closed'} SocketState
 * @typedef {{ code: number, delay: number, error?: CallError }} Retry the close code, the milliseconds until the next
 *   attempt, and why the server refused the last one, if it did
 * @typedef {{ code: number, error?: CallError }} Closed the close code, and the server's reason if it gave one
 * @typedef {{ room: string, iceServers?: RTCIceServer[], resume?: string }} Welcome `resume` is the ticket with which one
 *   may come back to the room for a minute after the end of the token; this client uses it by itself
 * @typedef {object} Events
 * @property {undefined} open
 * @property {Retry} reconnecting
 * @property {Closed} closed
 * @property {Welcome} created
 * @property {Welcome} joined
 * @property {{ room: string }} ready
 * @property {{ room: string, users: { id: string, userId: UserId }[], userCount: number }} roomInfo
 * @property {{ data?: any, from: UserId }} message
 * @property {{ id: string, userId: UserId, reason?: 'left' | 'lost' }} bye
 * @property {CallError} error
 */
import { Admission } from './admission.js';
import { Emitter } from './emitter.js';
import { coded, finalCode } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { network } from './network.js';
import { Outbox } from './outbox.js';
import { fetchRejection, isFinal } from './rejection.js';
import { Timer } from './timer.js';

/** What a socket that never opened, or died without a word, is closed with. */
const ABNORMAL = 1006;
const TOO_LONG = 1009;
const UNAUTHORIZED = 4003;
/** Missed heartbeats. Should it still arrive, the peer is told that this side was lost, not that it left. */
const SILENT = 4008;

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** At least this long, half of it at random, before the next attempt at a server that is full. */
const REJECTED_DELAY = 20_000;
/** After how long in the room the next drop counts as the first one. */
const STABLE_TIME = 10_000;
/** From opening a socket until the server lets us in. */
const WELCOME_PATIENCE = 15_000;

/** @extends {Emitter<Events>} */
export class SignalingClient extends Emitter {
  #url;
  #WebSocket;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {SocketState} */
  #state = 'idle';
  /**
   * The `join` to send each time a socket opens; null while there is no room to come back to.
   * @type {{ type: 'join', userId: UserId, remoteId: UserId, iceServers?: boolean } | null}
   */
  #join = null;
  #admission = new Admission();
  #outbox = new Outbox();
  /** The id of the peer's present connection, which is another one each time the peer comes back. */
  #peerConnection;
  /** @type {CallError | undefined} */
  #lastError;
  #failures = 0;
  /** The longest message on this socket, and the shortest that is known to be too long, in characters. */
  #longest = 0;
  #tooLong = Infinity;
  /** @type {Retry | null} */
  #next = null;
  #retry = new Timer();
  #welcome = new Timer();
  #stable = new Timer();
  #heartbeat = new Heartbeat(() => this.#write({ type: 'ping' }), () => this.#drop());
  /** @type {(() => void)[]} */
  #watches = [];

  /**
   * @param {string | URL} url
   * @param {{ WebSocket?: typeof globalThis.WebSocket }} [options]
   */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.#url = url;
    this.#WebSocket = WebSocket;
  }

  get url() {
    return this.#url;
  }

  get state() {
    return this.#state;
  }

  /** @returns {Retry | null} while it is `reconnecting` */
  get retry() {
    return this.#next;
  }

  /** @returns {UserId | undefined} the peer of the room that it is in, or means to be in */
  get remoteId() {
    return this.#join?.remoteId;
  }

  /** Open the socket, and keep it open until {@link close}. Joining does so by itself. */
  connect() {
    if (this.#socket) return;
    this.#retry.stop();
    if (!this.#watches.length) {
      const look = () => (this.#socket ? this.#heartbeat.beat() : this.connect());
      this.#watches = [
        network.on('change', look),
        network.on('wake', look),
        network.on('offline', () => this.#heartbeat.doubt()),
        // The close code of a page that goes is that of one that was frozen: only this says that it is meant.
        network.on('leave', () => this.#join && this.#write({ type: 'bye' })),
      ];
    }
    this.#open();
  }

  /**
   * Enter the room of this pair now, and again after every reconnect.
   * @param {UserId} userId
   * @param {UserId} remoteId
   * @param {object} [options]
   * @param {Token} [options.token] needed where the server asks for one
   * @param {boolean} [options.iceServers] whether the reply shall list them
   */
  join(userId, remoteId, { token, iceServers } = {}) {
    this.#join = { type: 'join', userId, remoteId, ...(iceServers && { iceServers }) };
    this.#admission = new Admission(token);
    this.#outbox.hold();
    if (this.#socket) this.#enter();
    else this.connect();
  }

  /** Have the server tell both sides to begin anew, whatever they are stuck in. */
  restart() {
    if (!this.#join) return;
    // The Node.js server takes a second join for another tab of ours, and closes this one.
    if (!this.#heartbeat.answers) this.#write({ type: 'bye' });
    this.#enter();
  }

  /**
   * Waits while either side is reconnecting. After the peer has left, the answer is the error `peer-absent`.
   * @param {unknown} data any JSON value, for the peer
   * @returns {boolean} whether it was sent or waits; an `error` says why not
   */
  send(data) {
    return this.#post({ type: 'message', data });
  }

  /**
   * @param {RTCIceCandidate | RTCIceCandidateInit} candidate for the peer, like {@link send}
   * @returns {boolean}
   */
  candidate(candidate) {
    return this.#post({ type: 'candidate', candidate });
  }

  /** Leave the room; the socket stays open for another `join`. */
  leave() {
    this.#join = null;
    this.#outbox.clear();
    this.#write({ type: 'bye' });
  }

  /** Close for good, without an event: the caller knows. */
  close() {
    this.#stop()?.close(1000);
  }

  #open() {
    const socket = new this.#WebSocket(this.#url);
    socket.onopen = () => {
      this.#state = 'open';
      this.#next = null;
      if (this.#join) {
        this.#enter();
      } else {
        this.#welcome.stop();
        this.#heartbeat.start();
      }
      this.emit('open', undefined);
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(code);
    // It says no more than `close`, but outside of browsers an error that nobody hears ends the process.
    socket.onerror = () => {};
    this.#socket = socket;
    this.#longest = 0;
    this.#state = this.#next ? 'reconnecting' : 'connecting';
    this.#welcome.start(WELCOME_PATIENCE, () => this.#drop());
  }

  async #enter() {
    const [join, socket, admission] = [this.#join, this.#socket, this.#admission];
    // It is said as soon as the socket opens.
    if (socket?.readyState !== 1) return;
    if (!admission.asks) return this.#write({ ...join, ...admission.show(admission.given) });
    const { token, fault } = await admission.ask();
    // Left, joined elsewhere or dropped meanwhile.
    if (join !== this.#join || socket !== this.#socket) return;
    if (fault) {
      this.#drop();
      this.emit('error', fault);
      return;
    }
    this.#write({ ...join, ...admission.show(token) });
  }

  #post(message) {
    if (!this.#join || !this.#outbox.holds) return this.#pass(message);
    if (this.#outbox.push(message)) return true;
    this.emit('error', { code: 'buffer-full', message: 'Too many messages wait for the peer' });
    return false;
  }

  /** @returns {boolean} whether the server may take it */
  #pass(message) {
    const { length } = JSON.stringify(message);
    if (length >= this.#tooLong) {
      this.emit('error', { code: 'message-too-long', message: `The server takes no message of ${length} characters` });
      return false;
    }
    this.#longest = Math.max(this.#longest, length);
    this.#write(message);
    return true;
  }

  #write(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #receive(message) {
    this.#heartbeat.heard(message.type === 'pong');
    switch (message.type) {
      case 'pong':
        return;
      case 'error':
        // Refused for the moment only: the same join, later, may do.
        if (message.code !== 'rate-limited') this.#welcome.stop();
        this.emit('error', (this.#lastError = coded(message)));
        return;
      case 'roomInfo':
        this.#peerConnection = message.users.find(({ userId }) => String(userId) === String(this.#join?.remoteId))?.id;
        break;
      case 'bye':
        // The Node.js server says goodbye for a connection that was replaced, when the new one is long there.
        if (this.#peerConnection !== undefined && message.id !== this.#peerConnection) return;
        if (message.reason === 'lost') this.#outbox.hold();
        break;
      case 'created':
      case 'joined':
        this.#admission.admitted(message);
        this.#stable.start(STABLE_TIME, () => (this.#failures = 0));
        this.#lastError = undefined;
        this.#welcome.stop();
        this.#heartbeat.start();
    }
    if (message.type === 'joined' || message.type === 'ready') this.#outbox.release((waiting) => this.#pass(waiting));
    this.emit(message.type, message);
  }

  /** Give up a socket that seems dead; closing it alone could take minutes. */
  #drop() {
    this.#socket?.close(SILENT);
    this.#closed(ABNORMAL);
  }

  #closed(code) {
    const final = finalCode(code, this.#lastError);
    const expired = final === UNAUTHORIZED && this.#admission.refused();
    if (final && !expired) {
      this.#end(final, this.#lastError);
      return;
    }
    const error = expired ? this.#lastError : undefined;
    // What the server has refused is not sent again, or it would be refused again, for ever.
    if (code === TOO_LONG) this.#tooLong = Math.min(this.#tooLong, this.#longest);
    const opened = this.#state === 'open';
    this.#detach();
    this.#outbox.hold();
    this.#state = 'reconnecting';
    this.#next = { code, delay: this.#nextDelay(), ...(error && { error }) };
    if (opened) this.#retry.start(this.#next.delay, () => this.#reopen());
    else this.#explain(this.#next);
    this.emit('reconnecting', this.#next);
  }

  #nextDelay() {
    return jittered(Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++));
  }

  /** With a token that has expired there is no coming back: wait until there is another one. */
  async #reopen() {
    const next = this.#next;
    if (this.#admission.fresh) return this.#open();
    const renewed = await this.#admission.isRenewed();
    if (next !== this.#next || this.#socket) return;
    if (renewed) this.#open();
    else this.#retry.start(this.#nextDelay(), () => this.#reopen());
  }

  /** The server may have refused the socket, which is no network failure: ask before the next attempt. @param {Retry} next */
  async #explain(next) {
    const error = await fetchRejection(this.#url);
    // Closed, or another attempt was made at once, since the network changed.
    if (next !== this.#next || this.#socket) return;
    if (error && isFinal(error)) {
      this.#end(next.code, error);
      return;
    }
    if (error) {
      const delay = error.code === 'restarting' ? next.delay : jittered(REJECTED_DELAY);
      this.#next = { ...next, delay: Math.max(delay, next.delay), error };
      this.emit('reconnecting', this.#next);
    }
    this.#retry.start(this.#next.delay, () => this.#reopen());
  }

  /** @param {number} code @param {CallError | undefined} error */
  #end(code, error) {
    this.#stop();
    this.emit('closed', { code, ...(error && { error }) });
  }

  #stop() {
    this.#join = null;
    this.#failures = 0;
    this.#next = null;
    this.#outbox.clear();
    this.#retry.stop();
    for (const unwatch of this.#watches.splice(0)) unwatch();
    this.#state = 'closed';
    return this.#detach();
  }

  #detach() {
    this.#welcome.stop();
    this.#stable.stop();
    this.#heartbeat.stop();
    this.#peerConnection = this.#lastError = undefined;
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    return socket;
  }
}

/** The random half keeps the clients of a restarted server from all coming back in one moment. @param {number} longest */
function jittered(longest) {
  return (longest * (1 + Math.random())) / 2;
}
