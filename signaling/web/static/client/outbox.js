/**
 * The messages for the peer, on their way to the socket. While the peer is away they wait, in order. A message that is
 * longer than one that the server has refused is not sent.
 *
 * @typedef {import('./errors.js').CallError} CallError
 */
/** More than any negotiation needs. */
const MAX_WAITING = 256;

export class Outbox {
  #write;
  #onError;
  /** @type {object[]} */
  #waiting = [];
  #holding = true;
  /** The length of the longest message on the present socket, in characters. */
  #longestSent = 0;
  /** The length of the shortest message that the server is known to refuse, in characters. */
  #refusedLength = Infinity;

  /**
   * @param {(message: object) => void} write
   * @param {(error: CallError) => void} onError
   */
  constructor(write, onError) {
    this.#write = write;
    this.#onError = onError;
  }

  /** Let messages wait from now on. */
  hold() {
    this.#holding = true;
  }

  /** Send what waits, and each later message at once. */
  release() {
    this.#holding = false;
    for (const message of this.#waiting.splice(0)) this.send(message);
  }

  clear() {
    this.#waiting = [];
    this.#holding = true;
  }

  /**
   * Send a message, or let it wait.
   * @param {object} message
   * @returns {boolean} false if it does neither, after `onError` was called with `buffer-full` or `message-too-long`
   */
  post(message) {
    if (!this.#holding) return this.send(message);
    if (this.#waiting.length < MAX_WAITING) {
      this.#waiting.push(message);
      return true;
    }
    this.#onError({ code: 'buffer-full', message: 'Too many messages wait for the peer' });
    return false;
  }

  /**
   * Send a message without waiting.
   * @param {object} message
   * @returns {boolean} false if it was not sent, after `onError` was called with `message-too-long`
   */
  send(message) {
    const { length } = JSON.stringify(message);
    if (length >= this.#refusedLength) {
      this.#onError({ code: 'message-too-long', message: `The server refuses messages of ${length} characters` });
      return false;
    }
    this.#longestSent = Math.max(this.#longestSent, length);
    this.#write(message);
    return true;
  }

  /** Note that a new socket opens. */
  socketOpens() {
    this.#longestSent = 0;
  }

  /** Note that the server closed the socket since a message was too long. It would refuse the same message again. */
  tooLong() {
    this.#refusedLength = Math.min(this.#refusedLength, this.#longestSent);
  }
}
