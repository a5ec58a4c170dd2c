/**
 * When and whether a dropped signaling connection is opened again.
 *
 * Each delay is random, up to a limit that doubles with each failure. So after a server was away for a while, its
 * clients come back over a time of about that length, and none of these moments has many of them. If the socket never
 * opened, the server may have refused it, and is asked for the reason.
 *
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {import('./signaling-events.js').Retry} Retry
 */
import { fetchRejection, isFinal } from './rejection.js';
import { Timer } from './timer.js';

/** The longest first delay, and the longest of all, in milliseconds. */
const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;
/** The longest delay after a refusal, for example because the server is full. It is at least half of that. */
const REFUSED_DELAY = 20_000;
/** How long a connection must last in the room before the next drop counts as the first one. */
const STABLE_AFTER = 10_000;

export class Reconnector {
  #url;
  #actions;
  /** @type {Retry | null} */
  #retry = null;
  #failures = 0;
  #attemptTimer = new Timer();
  #stableTimer = new Timer();
  /** It grows with each change of plan, so that a step that waited for a promise can tell whether it is stale. */
  #generation = 0;

  /**
   * @param {string | URL} url the URL of the WebSocket
   * @param {object} actions
   * @param {() => void} actions.open open the socket
   * @param {() => boolean | Promise<boolean>} actions.mayJoin whether there is a token that has not expired
   * @param {(retry: Retry) => void} actions.scheduled called for each retry, and again if its reason becomes known
   * @param {(code: number, error: CallError) => void} actions.giveUp called if the server refuses every attempt
   */
  constructor(url, actions) {
    this.#url = url;
    this.#actions = actions;
  }

  /** @returns {Retry | null} the retry that is scheduled or under way */
  get retry() {
    return this.#retry;
  }

  /**
   * Schedule the next attempt after the socket closed.
   * @param {number} code the WebSocket close code
   * @param {boolean} wasOpen
   * @param {CallError} [error] why the server refused the connection, if that is known
   */
  schedule(code, wasOpen, error) {
    this.#stableTimer.stop();
    this.#generation += 1;
    this.#retry = { code, delay: this.#nextDelay(), ...(error && { error }) };
    if (wasOpen) this.#attemptTimer.start(this.#retry.delay, () => this.#attempt());
    else this.#explain(this.#retry);
    this.#actions.scheduled(this.#retry);
  }

  /** An attempt is under way, sooner than scheduled. */
  attempting() {
    this.#generation += 1;
    this.#attemptTimer.stop();
  }

  /** The socket is open. */
  opened() {
    this.#generation += 1;
    this.#retry = null;
  }

  /** The server accepted the join. */
  joined() {
    this.#stableTimer.start(STABLE_AFTER, () => (this.#failures = 0));
  }

  stop() {
    this.#generation += 1;
    this.#attemptTimer.stop();
    this.#stableTimer.stop();
    this.#failures = 0;
    this.#retry = null;
  }

  #nextDelay() {
    return Math.random() * Math.min(MAX_DELAY, FIRST_DELAY * 2 ** this.#failures++);
  }

  /** A join with an expired token would be refused, so an attempt waits for a new token. */
  async #attempt() {
    const generation = this.#generation;
    const mayJoin = this.#actions.mayJoin();
    if (mayJoin === true) return this.#actions.open();
    const renewed = await mayJoin;
    if (generation !== this.#generation) return;
    if (renewed) this.#actions.open();
    else this.#attemptTimer.start(this.#nextDelay(), () => this.#attempt());
  }

  /** @param {Retry} retry */
  async #explain(retry) {
    const generation = this.#generation;
    const error = await fetchRejection(this.#url);
    if (generation !== this.#generation) return;
    if (error && isFinal(error)) {
      this.#actions.giveUp(retry.code, error);
      return;
    }
    if (error) {
      const delay = error.code === 'restarting' ? retry.delay : (REFUSED_DELAY * (1 + Math.random())) / 2;
      retry = { ...retry, delay: Math.max(delay, retry.delay), error };
      this.#retry = retry;
      this.#actions.scheduled(retry);
    }
    this.#attemptTimer.start(retry.delay, () => this.#attempt());
  }
}
