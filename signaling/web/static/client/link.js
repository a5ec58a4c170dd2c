/**
 * What there is between the two users at present: who is in the room, and the {@link Negotiation} that both hold an end
 * of.
 *
 * The server says who starts: `ready` means make the offer, `joined` means wait for it. After a break between two hosts
 * both hear `ready`; then the one who was there first makes it, as `roomInfo` tells. When there is something from
 * before, the one told `ready` first asks the other whether it still holds the same session. If so, it goes on as it
 * was; if not, or if the peer cannot be asked, it is negotiated anew. What was connected outlives the absence of either
 * side from the room for as long as it stays connected, and a while longer.
 *
 * @typedef {'nobody' | 'me' | 'both'} Present who is in the room, as far as the server told
 *
 * @typedef {object} Events
 * @property {undefined} change anything that one may ask of it
 * @property {MediaStream | null} media
 * @property {MediaStream | null} screen
 * @property {boolean} channel
 * @property {string} message
 * @property {import('./errors.js').CallError} error
 */
import { Emitter } from './emitter.js';
import { Negotiation } from './negotiation.js';
import { Timer } from './timer.js';

/** How long either side waits for a connection. The two differ, so that not both start over at once. */
const CONNECT_PATIENCE = { offers: 10_000, answers: 15_000 };
/** How long one waits for the answer whether to go on, and the other for the question. */
const RESUME_PATIENCE = { offers: 3_000, answers: 10_000 };
/** How long what is no longer connected is kept for somebody who is away. */
const GRACE = 20_000;
/** How long to wait for a connection at the most, since each attempt in vain waits twice as long as the one before. */
const LONGEST_CONNECT_PATIENCE = 60_000;
/** After how long without a connection the user is told what is likely in the way. */
const PROBLEM_DELAY = 15_000;

/** @extends {Emitter<Events>} */
export class Link extends Emitter {
  /** @type {Present} */
  present = 'nobody';
  /**
   * How the peer went, if it had been there.
   * @type {'left' | 'lost' | undefined}
   */
  reason;
  /** @type {Negotiation | null} */
  negotiation = null;
  #signaling;
  #options;
  /** @type {'offers' | 'answers'} */
  #role = 'offers';
  /** Whether there has been no connection for so long that the user should know. */
  #stuck = false;
  /** Whether the peer has described anything since it came. */
  #heard = false;
  /** Attempts in vain since the peer came. */
  #attempts = 0;
  /** Whether it is open that the peer holds the other end of what we hold. */
  #unsettled = false;
  #watchdog = new Timer();
  #problemTimer = new Timer();
  #resumption = new Timer();
  #grace = new Timer();

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {object} options
   * @param {import('./outgoing.js').Outgoing} options.outgoing
   * @param {() => Promise<RTCConfiguration>} options.configure
   * @param {typeof globalThis.RTCPeerConnection} options.RTCPeerConnection
   */
  constructor(signaling, options) {
    super();
    this.#signaling = signaling;
    this.#options = options;
    signaling.on('created', () => this.#apart('me', this.negotiation ? 'lost' : undefined));
    signaling.on('joined', () => this.#together('answers'));
    signaling.on('ready', () => this.#together('offers'));
    signaling.on('roomInfo', ({ users }) => this.#ordered(users));
    signaling.on('bye', ({ reason = 'left' }) => this.#apart('me', reason));
    signaling.on('reconnecting', () => this.#apart('nobody', this.reason));
    signaling.on('message', ({ data }) => this.#receive(data));
  }

  /** @returns {'no-answer' | 'no-path' | undefined} what is likely in the way of a connection that takes long */
  get problem() {
    if (!this.#stuck) return undefined;
    return this.#heard ? 'no-path' : 'no-answer';
  }

  /** The server is gone for good: what flows goes on for as long as it does. */
  detach() {
    this.#apart('nobody', this.reason);
  }

  /** Nothing is left, and nothing more will happen. */
  end() {
    this.present = 'nobody';
    this.#discard();
    this.#rest();
    this.#grace.stop();
  }

  #together(role) {
    this.present = 'both';
    this.reason = undefined;
    this.#role = role;
    const held = this.negotiation;
    if (held?.wasConnected && (role === 'answers' || held.shared)) this.#ask(held);
    else this.#begin();
    this.#changed();
  }

  /** @param {{ userId: import('./signaling.js').UserId }[]} users in order of arrival */
  #ordered(users) {
    if (this.#role !== 'offers' || this.present !== 'both' || users.length < 2) return;
    if (String(users[0].userId) === String(this.#signaling.remoteId)) this.#together('answers');
  }

  #apart(present, reason) {
    this.present = present;
    this.reason = reason;
    this.#settled();
    if (reason === 'left') this.#discard();
    else this.negotiation?.pause();
    this.#changed();
  }

  #ask(held) {
    held.pause();
    this.#settled();
    this.#unsettled = true;
    const [delay, then] =
      this.#role === 'offers'
        ? [RESUME_PATIENCE.offers, () => this.#begin()]
        : [RESUME_PATIENCE.answers, () => this.#startOver()];
    this.#resumption.start(delay, then);
    if (this.#role === 'offers') this.#signaling.send({ type: 'resume', session: held.session });
  }

  #receive(data) {
    const { type, session } = data ?? {};
    const held = this.negotiation?.session;
    const same = held !== undefined && session === held;
    const other = session !== undefined && held !== undefined && !same;
    switch (type) {
      case 'resume':
        this.#signaling.send({ type: 'resumed', session: same ? held : null });
        if (this.#unsettled) this.#settle(same);
        break;
      case 'resumed':
        if (this.#unsettled) this.#settle(same);
        break;
      case 'offer':
        this.#heard = true;
        this.#offered(data, { same, other });
        break;
      case 'answer':
        this.#heard = true;
        // That to an offer from before is late.
        if (!other) this.negotiation?.receive(data);
        break;
      default:
        this.negotiation?.receive(data);
    }
  }

  /** An offer of another session is the first of a new one, but to the side whose own such offer is on its way. */
  #offered(offer, { same, other }) {
    if (other && this.#role === 'offers') return;
    if (this.#unsettled) this.#settle(same);
    else if (other) this.#begin();
    this.negotiation?.receive(offer);
  }

  /** @param {boolean} same whether the peer holds the other end of what we hold */
  #settle(same) {
    this.#settled();
    if (same) this.negotiation?.resume();
    else this.#begin();
  }

  #settled() {
    this.#unsettled = false;
    this.#resumption.stop();
  }

  #begin() {
    this.#discard();
    const negotiation = new Negotiation(this.#signaling, { offers: this.#role === 'offers', ...this.#options });
    this.negotiation = negotiation;
    for (const type of /** @type {const} */ (['media', 'screen', 'channel', 'message', 'error'])) {
      negotiation.on(type, (detail) => this.emit(type, detail));
    }
    negotiation.on('state', () => this.#changed());
    // A connection that has grown too much is replaced by a fresh one, whose description is short.
    for (const type of /** @type {const} */ (['untold', 'deaf'])) {
      negotiation.on(type, () => negotiation === this.negotiation && negotiation.connected && this.#startOver());
    }
    negotiation.on('channel', (open) => {
      // With nobody in the room to say it, this is how a peer's goodbye shows.
      if (open || this.present === 'both' || negotiation !== this.negotiation) return;
      this.#discard();
      this.#changed();
    });
  }

  #startOver() {
    this.#discard();
    this.#signaling.restart();
    this.#changed();
  }

  #discard() {
    this.#settled();
    const negotiation = this.negotiation;
    this.negotiation = null;
    negotiation?.close();
  }

  /** There is nothing to wait for. */
  #rest() {
    this.#watchdog.stop();
    this.#problemTimer.stop();
    this.#stuck = this.#heard = false;
    this.#attempts = 0;
  }

  #changed() {
    const { present, negotiation } = this;
    const connected = negotiation?.connected ?? false;
    if (present !== 'both' && negotiation && !connected && !negotiation.wasConnected) this.#discard();
    if (present !== 'both' || connected) this.#rest();
    else {
      const patience = Math.min(LONGEST_CONNECT_PATIENCE, CONNECT_PATIENCE[this.#role] * 2 ** this.#attempts);
      this.#watchdog.start(patience, () => {
        this.#attempts += 1;
        this.#startOver();
      });
      this.#problemTimer.start(PROBLEM_DELAY, () => {
        this.#stuck = true;
        this.#changed();
      });
    }
    if (present === 'both' || connected || !this.negotiation) this.#grace.stop();
    else {
      this.#grace.start(GRACE, () => {
        this.#discard();
        this.#changed();
      });
    }
    this.emit('change', undefined);
  }
}
