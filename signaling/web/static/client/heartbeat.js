/**
 * Detects a dead connection. A half-open TCP connection looks healthy to a browser for many minutes, but nothing
 * answers a ping on it. If a server never answered a ping, its silence proves nothing, and the connection is kept.
 */
import { Timer } from './timer.js';

const PING_INTERVAL = 20_000;
const PONG_TIMEOUT = 8_000;
/** The timeout if the machine reports that it is offline. It may be mistaken, so the server is asked all the same. */
const OFFLINE_PONG_TIMEOUT = 2_000;

export class Heartbeat {
  #sendPing;
  #onDead;
  #serverAnswers = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #interval;
  #pongTimer = new Timer();

  /**
   * @param {() => void} sendPing
   * @param {() => void} onDead called if a ping was not answered in time
   */
  constructor(sendPing, onDead) {
    this.#sendPing = sendPing;
    this.#onDead = onDead;
  }

  /** Whether the server has ever answered a ping. */
  get serverAnswers() {
    return this.#serverAnswers;
  }

  start() {
    this.stop();
    this.#interval = setInterval(() => this.ping(), PING_INTERVAL);
    this.ping();
  }

  /**
   * Send a ping now; do nothing unless started.
   * @param {number} [timeout] milliseconds
   */
  ping(timeout = PONG_TIMEOUT) {
    if (this.#interval === undefined) return;
    this.#sendPing();
    if (this.#serverAnswers) this.#pongTimer.start(timeout, this.#onDead);
  }

  /** Send a ping now, with a short timeout: an answer is not likely. */
  pingWhileOffline() {
    this.#pongTimer.stop();
    this.ping(OFFLINE_PONG_TIMEOUT);
  }

  /**
   * Note a message of the server. Any message proves that the connection lives.
   * @param {boolean} isPong
   */
  messageReceived(isPong) {
    this.#serverAnswers ||= isPong;
    this.#pongTimer.stop();
  }

  stop() {
    clearInterval(this.#interval);
    this.#interval = undefined;
    this.#pongTimer.stop();
  }
}
