/**
 * The signaling connection: one WebSocket to the server, which comes back by itself when it drops.
 *
 * Whatever the server says becomes an event named after the message's `type`, with the message as its `detail`:
 * `created`, `joined`, `ready`, `roomInfo`, `message`, `bye`, `error`. Two events are this client's own: `reconnecting`
 * ({@link Retry}) when the socket dropped and will be opened again, and `closed` ({@link Closed}) when it will not.
 *
 * @typedef {string | number} UserId
 * @typedef {{code: string, message: string}} SignalingError `code` is one of the protocol's error codes
 * @typedef {{code: number, delay: number}} Retry the WebSocket close code, and the milliseconds until the next attempt
 * @typedef {{code: number}} Closed the WebSocket close code
 */

/** After these, coming back would be refused again, or would throw out the very connection that replaced this one. */
const FINAL_CLOSE_CODES = new Set([1008, 4001, 4003]);

/** What a socket that never opened, or died without a word, is closed with. */
const ABNORMAL = 1006;

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const HEARTBEAT = 25_000;

export class SignalingClient extends EventTarget {
  #url;
  #WebSocket;
  /** @type {WebSocket | null} */
  #socket = null;
  /**
   * The `join` to send each time a socket opens; null while there is no room to come back to.
   * @type {object | null}
   */
  #join = null;
  #failures = 0;
  #retry;
  #heartbeat;
  #heard = false;

  /**
   * @param {string | URL} url
   * @param {{WebSocket?: typeof globalThis.WebSocket}} [options]
   */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.#url = url;
    this.#WebSocket = WebSocket;
  }

  /**
   * Enter the room of this pair now, and again after every reconnect.
   * @param {UserId} userId
   * @param {UserId} remoteId
   * @param {string} [token] needed where the server asks for one
   */
  join(userId, remoteId, token) {
    this.#join = { type: 'join', userId, remoteId, ...(token !== undefined && { token }) };
    if (this.#socket) this.#write(this.#join);
    else this.#open();
  }

  /** @param {unknown} data any JSON value, for the peer */
  send(data) {
    this.#write({ type: 'message', data });
  }

  /** @param {RTCIceCandidate | RTCIceCandidateInit} candidate */
  candidate(candidate) {
    this.#write({ type: 'candidate', candidate });
  }

  /** Leave the room; the socket stays open for another `join`. */
  bye() {
    this.#join = null;
    clearTimeout(this.#retry);
    this.#write({ type: 'bye' });
  }

  /** Close for good, without an event: the caller knows. */
  close() {
    this.#join = null;
    clearTimeout(this.#retry);
    this.#detach()?.close(1000);
  }

  #open() {
    clearTimeout(this.#retry);
    const socket = new this.#WebSocket(this.#url);
    socket.onopen = () => {
      this.#heard = true;
      this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT);
      if (this.#join) this.#write(this.#join);
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(code);
    this.#socket = socket;
  }

  /**
   * What is written while the socket is down is dropped, not kept: the join that follows starts a new negotiation, and
   * leftovers of the old one would only disturb it.
   */
  #write(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #receive(message) {
    this.#heard = true;
    if (message.type === 'pong') return;
    if (message.type === 'created' || message.type === 'joined') this.#failures = 0;
    this.#emit(message.type, message);
  }

  /** A half-open TCP connection looks healthy to a browser for many minutes; silence after a ping gives it away. */
  #beat() {
    if (this.#heard) {
      this.#heard = false;
      this.#write({ type: 'ping' });
    } else {
      this.#socket.close();
      this.#closed(ABNORMAL);
    }
  }

  #closed(code) {
    this.#detach();
    if (!this.#join || FINAL_CLOSE_CODES.has(code)) {
      this.#join = null;
      this.#emit('closed', { code });
      return;
    }
    // The random half keeps the clients of a restarted server from all coming back in one moment.
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++);
    const delay = (longest * (1 + Math.random())) / 2;
    this.#retry = setTimeout(() => this.#open(), delay);
    this.#emit('reconnecting', { code, delay });
  }

  #detach() {
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    return socket;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
