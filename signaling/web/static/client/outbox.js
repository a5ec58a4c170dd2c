/** Keeps messages while nobody is there to take them, in order, and not more than a negotiation may need. */
const LIMIT = 256;

export class Outbox {
  #waiting = [];
  #holds = true;

  get holds() {
    return this.#holds;
  }

  hold() {
    this.#holds = true;
  }

  /** @returns {boolean} whether there was room for it */
  push(message) {
    if (this.#waiting.length === LIMIT) return false;
    this.#waiting.push(message);
    return true;
  }

  /** @param {(message: object) => void} write is given each message that waited; from now on none waits */
  release(write) {
    this.#holds = false;
    for (const message of this.#waiting.splice(0)) write(message);
  }

  clear() {
    this.#waiting = [];
    this.#holds = true;
  }
}
