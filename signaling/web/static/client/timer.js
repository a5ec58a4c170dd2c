/** One thing that will happen after a while, unless it is called off. Starting it again does not put it off. */
export class Timer {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #id;

  /**
   * @param {number} delay in milliseconds
   * @param {() => void} then
   */
  start(delay, then) {
    this.#id ??= setTimeout(() => {
      this.#id = undefined;
      then();
    }, delay);
  }

  stop() {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}
