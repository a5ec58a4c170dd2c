/**
 * The session with the peer: its presence in the room, and the {@link Negotiation} of which both sides hold an end.
 *
 * The server assigns the roles: `ready` means make the offer, `joined` means wait for it. After a break between two
 * hosts both sides hear `ready`; then the side that came first makes the offer, as `roomInfo` tells.
 *
 * If there is a negotiation from before, the side told `ready` asks the other one whether it still holds the same
 * session. If it does, the negotiation goes on; otherwise, or if the peer cannot be asked, a new one begins. A
 * connection outlives the absence of either side from the room while it is connected, and {@link ABSENCE_TIMEOUT}
 * longer.
 *
 * @typedef {import('./negotiation.js').Role} Role
 * @typedef {'nobody' | 'me' | 'both'} Presence who is in the room, as far as the server told
 *
 * @typedef {object} Events
 * @property {undefined} change any property of this object may have changed
 * @property {MediaStream | null} media
 * @property {MediaStream | null} screen
 * @property {boolean} channel
 * @property {string} message
 * @property {import('./errors.js').CallError} error
 */
import { Emitter } from './emitter.js';
import { Negotiation } from './negotiation.js';
import { currentPath } from './quality-meter.js';
import { Timer } from './timer.js';

/** How long each side waits for a connection. The two differ, lest both restart the session at once. */
const CONNECT_TIMEOUT = { offerer: 10_000, answerer: 15_000 };
/** The longest such wait: after each failed attempt it doubles. */
const MAX_CONNECT_TIMEOUT = 60_000;
/** How long the offerer waits for the answer whether to resume, and the answerer for the question. */
const RESUME_TIMEOUT = { offerer: 3_000, answerer: 10_000 };
/** How long a broken connection is kept while either side is away. */
const ABSENCE_TIMEOUT = 20_000;
/** How long a connection may take before the user is told the likely problem. */
const PROBLEM_DELAY = 15_000;
/** How long to wait for the path if the browser does not know it yet. */
const PATH_RETRY_DELAY = 1_000;

/** @extends {Emitter<Events>} */
export class PeerSession extends Emitter {
  /** @type {Presence} */
  presence = 'nobody';
  /** @type {'left' | 'lost' | undefined} how the peer went, if it had been there */
  reason;
  /** @type {Negotiation | null} */
  negotiation = null;
  /** @type {'direct' | 'relay' | undefined} how it is connected, as soon as that is known */
  path;
  #signaling;
  #options;
  /** @type {Role} */
  #role = 'offerer';
  /** Whether the connection has taken longer than PROBLEM_DELAY. */
  #overdue = false;
  /** Whether the peer has sent a description since it came. */
  #peerDescribed = false;
  /** Attempts without a connection since the peer came. */
  #failedAttempts = 0;
  /** Whether it is open that the peer holds the same session. */
  #resuming = false;
  #connectTimer = new Timer();
  #problemTimer = new Timer();
  #resumeTimer = new Timer();
  #absenceTimer = new Timer();
  #pathTimer = new Timer();

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {object} options
   * @param {import('./outgoing-media.js').OutgoingMedia} options.outgoing
   * @param {() => Promise<RTCConfiguration>} options.configure
   * @param {typeof globalThis.RTCPeerConnection} options.RTCPeerConnection
   */
  constructor(signaling, options) {
    super();
    this.#signaling = signaling;
    this.#options = options;
    signaling.on('created', () => this.#peerAbsent('me', this.negotiation ? 'lost' : undefined));
    signaling.on('joined', () => this.#peerPresent('answerer'));
    signaling.on('ready', () => this.#peerPresent('offerer'));
    signaling.on('roomInfo', ({ users }) => this.#adjustRole(users));
    signaling.on('bye', ({ reason = 'left' }) => this.#peerAbsent('me', reason));
    signaling.on('reconnecting', () => this.#peerAbsent('nobody', this.reason));
    signaling.on('message', ({ data }) => this.#receive(data));
  }

  /** @returns {'no-answer' | 'no-path' | undefined} the likely cause if the connection takes long */
  get problem() {
    if (!this.#overdue) return undefined;
    return this.#peerDescribed ? 'no-path' : 'no-answer';
  }

  /** The server is gone for good. Keep a connection for as long as it works. */
  detach() {
    this.#peerAbsent('nobody', this.reason);
  }

  /** Close the connection, for good. */
  close() {
    this.presence = 'nobody';
    this.#closeNegotiation();
    this.#stopWaiting();
    this.#absenceTimer.stop();
    this.#pathTimer.stop();
  }

  /** @param {Role} role */
  #peerPresent(role) {
    this.presence = 'both';
    this.reason = undefined;
    this.#role = role;
    const held = this.negotiation;
    if (held?.wasConnected && (role === 'answerer' || held.peerKnowsSession)) this.#tryResume(held);
    else this.#createNegotiation();
    this.#update();
  }

  /** @param {{ userId: import('./signaling-events.js').UserId }[]} users in order of arrival */
  #adjustRole(users) {
    if (this.#role !== 'offerer' || this.presence !== 'both' || users.length < 2) return;
    if (String(users[0].userId) === String(this.#signaling.remoteId)) this.#peerPresent('answerer');
  }

  /**
   * @param {'nobody' | 'me'} presence
   * @param {'left' | 'lost' | undefined} reason
   */
  #peerAbsent(presence, reason) {
    this.presence = presence;
    this.reason = reason;
    this.#stopResuming();
    if (reason === 'left') this.#closeNegotiation();
    else this.negotiation?.pause();
    this.#update();
  }

  /** @param {Negotiation} held */
  #tryResume(held) {
    held.pause();
    this.#stopResuming();
    this.#resuming = true;
    const giveUp = this.#role === 'offerer' ? () => this.#createNegotiation() : () => this.#restartSession();
    this.#resumeTimer.start(RESUME_TIMEOUT[this.#role], giveUp);
    if (this.#role === 'offerer') this.#signaling.send({ type: 'resume', session: held.session });
  }

  /** @param {any} data any JSON value of the peer */
  #receive(data) {
    const { type, session } = data ?? {};
    const held = this.negotiation?.session;
    const same = held !== undefined && session === held;
    const other = session !== undefined && held !== undefined && !same;
    switch (type) {
      case 'resume':
        this.#signaling.send({ type: 'resumed', session: same ? held : null });
        if (this.#resuming) this.#finishResuming(same);
        break;
      case 'resumed':
        if (this.#resuming) this.#finishResuming(same);
        break;
      case 'offer':
        this.#peerDescribed = true;
        this.#receiveOffer(data, { same, other });
        break;
      case 'answer':
        this.#peerDescribed = true;
        // An answer of another session comes too late.
        if (!other) this.negotiation?.receive(data);
        break;
      default:
        this.negotiation?.receive(data);
    }
  }

  /**
   * An offer of another session begins a new one. The offerer ignores it, since its own first offer is on its way.
   * @param {import('./negotiation.js').Description} offer
   * @param {{ same: boolean, other: boolean }} session whether it is the one held here, or another one
   */
  #receiveOffer(offer, { same, other }) {
    if (other && this.#role === 'offerer') return;
    if (this.#resuming) this.#finishResuming(same);
    else if (other) this.#createNegotiation();
    this.negotiation?.receive(offer);
  }

  /** @param {boolean} same whether the peer holds the same session */
  #finishResuming(same) {
    this.#stopResuming();
    if (same) this.negotiation?.resume();
    else this.#createNegotiation();
  }

  #stopResuming() {
    this.#resuming = false;
    this.#resumeTimer.stop();
  }

  #createNegotiation() {
    this.#closeNegotiation();
    const negotiation = new Negotiation(this.#signaling, { role: this.#role, ...this.#options });
    this.negotiation = negotiation;
    for (const type of /** @type {const} */ (['media', 'screen', 'channel', 'message', 'error'])) {
      negotiation.on(type, (/** @type {any} */ detail) => this.emit(type, detail));
    }
    negotiation.on('state', () => this.#update());
    // In both cases a new connection helps: its description is short, and its tracks are not muted.
    for (const type of /** @type {const} */ (['descriptionRefused', 'mediaStuck'])) {
      negotiation.on(type, () => negotiation === this.negotiation && negotiation.connected && this.#restartSession());
    }
    negotiation.on('channel', (open) => {
      // Without the server, only the closed channel tells that the peer has left.
      if (open || this.presence === 'both' || negotiation !== this.negotiation) return;
      this.#closeNegotiation();
      this.#update();
    });
  }

  /** Have the server tell both sides to begin again. */
  #restartSession() {
    this.#closeNegotiation();
    this.#signaling.restart();
    this.#update();
  }

  #closeNegotiation() {
    this.#stopResuming();
    const negotiation = this.negotiation;
    this.negotiation = null;
    negotiation?.close();
  }

  #stopWaiting() {
    this.#connectTimer.stop();
    this.#problemTimer.stop();
    this.#overdue = this.#peerDescribed = false;
    this.#failedAttempts = 0;
  }

  /** Start and stop the timers as the present state demands, and tell listeners. */
  #update() {
    const { presence, negotiation } = this;
    const connected = negotiation?.connected ?? false;
    if (presence !== 'both' && negotiation && !connected && !negotiation.wasConnected) this.#closeNegotiation();
    if (presence !== 'both' || connected) this.#stopWaiting();
    else {
      const timeout = Math.min(MAX_CONNECT_TIMEOUT, CONNECT_TIMEOUT[this.#role] * 2 ** this.#failedAttempts);
      this.#connectTimer.start(timeout, () => {
        this.#failedAttempts += 1;
        this.#restartSession();
      });
      this.#problemTimer.start(PROBLEM_DELAY, () => {
        this.#overdue = true;
        this.#update();
      });
    }
    if (presence === 'both' || connected || !this.negotiation) this.#absenceTimer.stop();
    else {
      this.#absenceTimer.start(ABSENCE_TIMEOUT, () => {
        this.#closeNegotiation();
        this.#update();
      });
    }
    if (!connected) {
      this.path = undefined;
      this.#pathTimer.stop();
    }
    this.emit('change', undefined);
    if (connected) this.#findPath();
  }

  async #findPath() {
    const { negotiation } = this;
    const path = negotiation && (await currentPath(negotiation.connection).catch(() => undefined));
    if (negotiation !== this.negotiation || !negotiation?.connected) return;
    this.path = path ?? undefined;
    // The statistics may be older than the connection.
    if (!path) this.#pathTimer.start(PATH_RETRY_DELAY, () => this.#findPath());
    this.emit('change', undefined);
  }
}
