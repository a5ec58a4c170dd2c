/**
 * The signaling connection: one WebSocket to the server, which opens again by itself after a drop.
 *
 * Each message of the server is an event named after its `type`, with the message as the `detail`: `created`, `joined`,
 * `ready`, `roomInfo`, `message`, `bye`, `error`. Three events are this client's own: `open`, the socket opened;
 * `reconnecting`, it dropped and will be opened again; `closed`, it dropped and will not.
 *
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {import('./join-credentials.js').Token} Token
 * @typedef {import('./signaling-events.js').Events} Events
 * @typedef {import('./signaling-events.js').Retry} Retry
 * @typedef {import('./signaling-events.js').UserId} UserId
 * @typedef {'idle' | 'connecting' | 'open' | 'reconnecting' | 'closed'} SocketState
 */
import { Emitter } from './emitter.js';
import { CLOSE_CODES, finalCloseCode, normalizeError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { JoinCredentials } from './join-credentials.js';
import { MessageSocket } from './message-socket.js';
import { network } from './network.js';
import { Outbox } from './outbox.js';
import { Reconnector } from './reconnector.js';
import { Timer } from './timer.js';

/** From opening a socket until the server accepts the join. */
const JOIN_TIMEOUT = 15_000;

/** @extends {Emitter<Events>} */
export class SignalingClient extends Emitter {
  #url;
  #WebSocket;
  /** @type {MessageSocket | null} */
  #socket = null;
  /** @type {SocketState} */
  #state = 'idle';
  /**
   * The `join` to send each time a socket opens; null without a room to come back to.
   * @type {{ type: 'join', userId: UserId, remoteId: UserId, iceServers?: boolean } | null}
   */
  #join = null;
  #credentials = new JoinCredentials();
  #outbox = new Outbox((message) => this.#socket?.send(message), (error) => this.emit('error', error));
  /** @type {string | undefined} the id of the peer's present connection; each reconnect of the peer has a new one */
  #peerConnectionId;
  /** @type {CallError | undefined} */
  #lastError;
  #reconnector;
  #joinTimer = new Timer();
  #heartbeat = new Heartbeat(() => this.#socket?.send({ type: 'ping' }), () => this.#drop());
  /** @type {(() => void)[]} functions that remove the listeners of `network` */
  #unsubscribe = [];

  /**
   * @param {string | URL} url the URL of the WebSocket, `wss:` or `ws:`
   * @param {object} [options]
   * @param {typeof globalThis.WebSocket} [options.WebSocket] another implementation
   */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#reconnector = new Reconnector(url, {
      open: () => this.#open(),
      mayJoin: () => !this.#credentials.isExpired || this.#credentials.isRenewed(),
      scheduled: (retry) => this.emit('reconnecting', retry),
      giveUp: (code, error) => this.#end(code, error),
    });
  }

  get url() {
    return this.#url;
  }

  get state() {
    return this.#state;
  }

  /** @returns {Retry | null} the next attempt while the state is `reconnecting` */
  get retry() {
    return this.#reconnector.retry;
  }

  /** @returns {UserId | undefined} the peer of the room that this client is in, or tries to enter */
  get remoteId() {
    return this.#join?.remoteId;
  }

  /** Open the socket, and keep it open until {@link close}. `join` does so by itself. */
  connect() {
    if (this.#socket) return;
    this.#reconnector.attempting();
    if (!this.#unsubscribe.length) {
      const verify = () => (this.#socket ? this.#heartbeat.ping() : this.connect());
      this.#unsubscribe = [
        network.on('change', verify),
        network.on('wake', verify),
        network.on('offline', () => this.#heartbeat.pingWhileOffline()),
        // A closed page has the same close code as a frozen one. Only `bye` tells the server that the user left.
        network.on('leave', () => this.#join && this.#socket?.send({ type: 'bye' })),
      ];
    }
    this.#open();
  }

  /**
   * Enter the room of this pair now, and again after each reconnect.
   * @param {UserId} userId
   * @param {UserId} remoteId the peer
   * @param {object} [options]
   * @param {Token} [options.token] needed if the server asks for one
   * @param {boolean} [options.iceServers] whether the reply has to list the server's ICE servers
   */
  join(userId, remoteId, { token, iceServers } = {}) {
    this.#join = { type: 'join', userId, remoteId, ...(iceServers && { iceServers }) };
    this.#credentials = new JoinCredentials(token);
    this.#outbox.hold();
    if (this.#socket) this.#enter();
    else this.connect();
  }

  /** Have the server tell both sides to begin again, with a new `joined` and `ready`. */
  restart() {
    if (!this.#join) return;
    // The Node.js server takes a second join for another tab of this user, and closes this socket.
    if (!this.#heartbeat.serverAnswers) this.#socket?.send({ type: 'bye' });
    this.#enter();
  }

  /**
   * Send a message to the peer. It waits while either side is away. After the peer left, the server answers with the
   * error `peer-absent`.
   * @param {unknown} data any JSON value
   * @returns {boolean} whether it was sent or waits; if not, an `error` event says why: `buffer-full`,
   *   `message-too-long`
   */
  send(data) {
    return this.#post({ type: 'message', data });
  }

  /**
   * Send an ICE candidate to the peer, as {@link send} does.
   * @param {RTCIceCandidate | RTCIceCandidateInit} candidate
   * @returns {boolean}
   */
  candidate(candidate) {
    return this.#post({ type: 'candidate', candidate });
  }

  /** Leave the room. The socket stays open for another `join`. */
  leave() {
    this.#join = null;
    this.#outbox.clear();
    this.#socket?.send({ type: 'bye' });
  }

  /** Close the socket for good. No event is emitted, since the caller knows. */
  close() {
    this.#stop()?.close(CLOSE_CODES.NORMAL);
  }

  #open() {
    this.#socket = new MessageSocket(this.#url, this.#WebSocket, {
      onOpen: () => this.#handleOpen(),
      onMessage: (message) => this.#receive(message),
      onClose: (code) => this.#handleClose(code),
    });
    this.#outbox.socketOpens();
    this.#state = this.#reconnector.retry ? 'reconnecting' : 'connecting';
    this.#joinTimer.start(JOIN_TIMEOUT, () => this.#drop());
  }

  #handleOpen() {
    this.#state = 'open';
    this.#reconnector.opened();
    if (this.#join) {
      this.#enter();
    } else {
      this.#joinTimer.stop();
      this.#heartbeat.start();
    }
    this.emit('open', undefined);
  }

  async #enter() {
    const [join, socket, credentials] = [this.#join, this.#socket, this.#credentials];
    // Until the socket is open, there is nothing to do: its `onOpen` calls this again.
    if (!socket?.isOpen) return;
    if (!credentials.isRenewable) {
      this.#socket?.send({ ...join, ...credentials.joinFields(credentials.fixedToken) });
      return;
    }
    const { token, error } = await credentials.request();
    // Meanwhile the app left or joined another room, or the socket dropped.
    if (join !== this.#join || socket !== this.#socket) return;
    if (error) {
      this.#drop();
      this.emit('error', error);
      return;
    }
    this.#socket?.send({ ...join, ...credentials.joinFields(token) });
  }

  /** @param {object} message for the peer; without a room the server answers it with `not-in-room` */
  #post(message) {
    return this.#join ? this.#outbox.post(message) : this.#outbox.send(message);
  }

  /** @param {import('./message-socket.js').Message} message */
  #receive(message) {
    this.#heartbeat.messageReceived(message.type === 'pong');
    switch (message.type) {
      case 'pong':
        return;
      case 'error':
        // After `rate-limited` the same join may be accepted later, so the timer goes on.
        if (message.code !== 'rate-limited') this.#joinTimer.stop();
        this.emit('error', (this.#lastError = normalizeError(message)));
        return;
      case 'roomInfo':
        this.#peerConnectionId = message.users.find(
          (/** @type {{ userId: UserId }} */ { userId }) => String(userId) === String(this.#join?.remoteId),
        )?.id;
        break;
      case 'bye':
        // The Node.js server sends a late `bye` for a connection that a newer one has replaced.
        if (this.#peerConnectionId !== undefined && message.id !== this.#peerConnectionId) return;
        if (message.reason === 'lost') this.#outbox.hold();
        break;
      case 'created':
      case 'joined':
        this.#credentials.accept(message);
        this.#reconnector.joined();
        this.#lastError = undefined;
        this.#joinTimer.stop();
        this.#heartbeat.start();
    }
    if (message.type === 'joined' || message.type === 'ready') this.#outbox.release();
    this.emit(/** @type {keyof Events} */ (message.type), /** @type {any} */ (message));
  }

  /**
   * Give up a socket that seems dead, without waiting: its `close` event could take minutes. If the close code still
   * arrives, the server tells the peer that this side was lost, not that it left.
   */
  #drop() {
    this.#socket?.close(CLOSE_CODES.HEARTBEAT_MISSED);
    this.#handleClose(CLOSE_CODES.ABNORMAL);
  }

  /** @param {number} code the WebSocket close code */
  #handleClose(code) {
    const error = this.#lastError;
    const finalCode = finalCloseCode(code, error);
    const expired = finalCode === CLOSE_CODES.UNAUTHORIZED && this.#credentials.refuse();
    if (finalCode && !expired) {
      this.#end(finalCode, error);
      return;
    }
    if (code === CLOSE_CODES.MESSAGE_TOO_LONG) this.#outbox.tooLong();
    const wasOpen = this.#state === 'open';
    this.#detach();
    this.#outbox.hold();
    this.#state = 'reconnecting';
    this.#reconnector.schedule(code, wasOpen, expired ? error : undefined);
  }

  /**
   * @param {number} code the WebSocket close code
   * @param {CallError | undefined} error
   */
  #end(code, error) {
    this.#stop();
    this.emit('closed', { code, ...(error && { error }) });
  }

  #stop() {
    this.#join = null;
    this.#outbox.clear();
    this.#reconnector.stop();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#state = 'closed';
    return this.#detach();
  }

  /** @returns {MessageSocket | null} the socket, which has no listeners any more */
  #detach() {
    this.#joinTimer.stop();
    this.#heartbeat.stop();
    this.#peerConnectionId = this.#lastError = undefined;
    const socket = this.#socket;
    socket?.detach();
    this.#socket = null;
    return socket;
  }
}
