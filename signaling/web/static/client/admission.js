/**
 * What lets this side into the room: the app's token, and the server's ticket, with which one may come back for a minute
 * after the token's end.
 *
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {import('./signaling.js').Token} Token
 */
import { messageOf } from './errors.js';

export class Admission {
  /** @type {Token} */
  #token;
  /** What was shown last, and what was refused although one before it had let us in: it has expired. */
  #shown;
  #expired;
  #admitted = false;
  /** @type {string | undefined} */
  #ticket;

  /** @param {Token} [token] */
  constructor(token) {
    this.#token = token;
  }

  /** Whether the token has to be asked for. */
  get asks() {
    return typeof this.#token === 'function';
  }

  /** @returns {any} the token, where there is nothing to ask */
  get given() {
    return this.#token;
  }

  /** Whether what there is was not refused yet. */
  get fresh() {
    return this.#expired === undefined;
  }

  /** @returns {Promise<{ token?: string, fault?: CallError }>} the token to show now */
  async ask() {
    try {
      return { token: await /** @type {Function} */ (this.#token)() };
    } catch (error) {
      // With a ticket, the token of last time will do.
      return this.#ticket ? { token: this.#shown } : { fault: { code: 'token-failed', message: messageOf(error) } };
    }
  }

  /**
   * What is shown in a join.
   * @param {string | undefined} token
   */
  show(token) {
    this.#shown = token;
    const resume = this.#ticket ?? (token !== undefined || undefined);
    return { ...(token !== undefined && { token }), ...(resume && { resume }) };
  }

  /** The server let us in. @param {{ resume?: string }} welcome */
  admitted({ resume }) {
    this.#admitted = true;
    this.#expired = undefined;
    this.#ticket = resume;
  }

  /** @returns {boolean} whether it was only that the token has expired, and another one can be asked for */
  refused() {
    if (!this.#admitted || !this.asks) return false;
    this.#expired = this.#shown;
    this.#ticket = undefined;
    return true;
  }

  /** @returns {Promise<boolean>} whether there is another token by now */
  async isRenewed() {
    const { token = this.#expired } = await this.ask();
    return token !== this.#expired;
  }
}
