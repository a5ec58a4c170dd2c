/**
 * Finds out that a connection is dead. A half-open TCP connection looks healthy to a browser for many minutes; silence
 * after a ping gives it away. A server that never answered a ping cannot be told from a dead one, and is left in peace.
 */
import { Timer } from './timer.js';

const INTERVAL = 20_000;
const PATIENCE = 8_000;
/** For an answer where the machine says that it is on no network: it may be mistaken. */
const OFFLINE_PATIENCE = 2_000;

export class Heartbeat {
  #ping;
  #dead;
  #answers = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #interval;
  #silence = new Timer();

  /**
   * @param {() => void} ping sends a ping
   * @param {() => void} dead is told of a silence
   */
  constructor(ping, dead) {
    this.#ping = ping;
    this.#dead = dead;
  }

  /** Whether the server is known to answer. */
  get answers() {
    return this.#answers;
  }

  start() {
    this.stop();
    this.#interval = setInterval(() => this.beat(), INTERVAL);
    this.beat();
  }

  /** Ask now, out of turn. */
  beat(patience = PATIENCE) {
    if (this.#interval === undefined) return;
    this.#ping();
    if (this.#answers) this.#silence.start(patience, this.#dead);
  }

  /** Ask now, where an answer is not likely. */
  doubt() {
    this.#silence.stop();
    this.beat(OFFLINE_PATIENCE);
  }

  /** @param {boolean} pong whether it was an answer to a ping; any other message is as good a sign of life */
  heard(pong) {
    this.#answers ||= pong;
    this.#silence.stop();
  }

  stop() {
    clearInterval(this.#interval);
    this.#interval = undefined;
    this.#silence.stop();
  }
}
