/**
 * An EventTarget whose events all are CustomEvents: what happened is their `detail`.
 *
 * @template {object} Events the type of each event's detail, by the event's name
 */
export class Emitter extends EventTarget {
  /**
   * Listen, and be given the detail itself.
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {(detail: Events[Type]) => void} listener
   * @returns {() => void} stops listening
   */
  on(type, listener) {
    const unwrap = (/** @type {any} */ event) => listener(event.detail);
    this.addEventListener(type, unwrap);
    return () => this.removeEventListener(type, unwrap);
  }

  /**
   * @protected
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {Events[Type]} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
