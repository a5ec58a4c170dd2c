/**
 * The credentials of a join: the app's token, and the server's resume ticket. With the ticket, a client may come back
 * for a minute after its token has expired.
 *
 * @typedef {import('./errors.js').CallError} CallError
 * @typedef {string | undefined | (() => string | undefined | Promise<string | undefined>)} Token an access token, or a
 *   function that returns one; since tokens expire, it is called for each join, also after a reconnect
 */
import { errorMessage } from './errors.js';

export class JoinCredentials {
  #source;
  /** @type {string | undefined} the token of the last join */
  #lastToken;
  /** @type {string | undefined} the token that the server refused after it had accepted a join */
  #expiredToken;
  #accepted = false;
  /** @type {string | undefined} */
  #ticket;

  /** @param {Token} [source] the token, or a function that returns one */
  constructor(source) {
    this.#source = source;
  }

  /** Whether the app returns a new token for each join. */
  get isRenewable() {
    return typeof this.#source === 'function';
  }

  /** The token of the app, if it is always the same one. */
  get fixedToken() {
    return typeof this.#source === 'function' ? undefined : this.#source;
  }

  /** Whether the last token has expired, so that a join with it is useless. */
  get isExpired() {
    return this.#expiredToken !== undefined;
  }

  /** @returns {Promise<{ token?: string, error?: CallError }>} the token for a join, or why there is none */
  async request() {
    try {
      return { token: typeof this.#source === 'function' ? await this.#source() : this.#source };
    } catch (error) {
      // With a ticket, the token of the last join is enough.
      if (this.#ticket) return { token: this.#lastToken };
      return { error: { code: 'token-failed', message: errorMessage(error) } };
    }
  }

  /**
   * Return the fields of a `join` for this token. Without a ticket, `resume: true` asks the server for one.
   * @param {string | undefined} token
   * @returns {{ token?: string, resume?: string | true }}
   */
  joinFields(token) {
    this.#lastToken = token;
    const resume = this.#ticket ?? (token === undefined ? undefined : true);
    return { ...(token !== undefined && { token }), ...(resume && { resume }) };
  }

  /**
   * Note that the server accepted the join.
   * @param {{ resume?: string }} welcome `resume` is the next ticket
   */
  accept({ resume }) {
    this.#accepted = true;
    this.#expiredToken = undefined;
    this.#ticket = resume;
  }

  /**
   * Note that the server refused the join.
   * @returns {boolean} whether the token has only expired, and the app can return another one
   */
  refuse() {
    // Without a token, none has expired: the user may not come back.
    if (!this.#accepted || !this.isRenewable || this.#lastToken === undefined) return false;
    this.#expiredToken = this.#lastToken;
    this.#ticket = undefined;
    return true;
  }

  /** @returns {Promise<boolean>} whether the app has another token by now */
  async isRenewed() {
    const { token = this.#expiredToken } = await this.request();
    return token !== this.#expiredToken;
  }
}
