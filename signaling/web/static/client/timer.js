/** A timer for one action. To start it while it runs changes nothing: neither the time nor the action. */
export class Timer {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #id;

  /**
   * @param {number} delay milliseconds
   * @param {() => void} action
   */
  start(delay, action) {
    this.#id ??= setTimeout(() => {
      this.#id = undefined;
      action();
    }, delay);
  }

  stop() {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}
