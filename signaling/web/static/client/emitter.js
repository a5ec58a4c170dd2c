/**
 * An EventTarget whose events are CustomEvents. The `detail` of each says what happened.
 *
 * @template {object} Events the type of each event's detail, by the event's name
 */
export class Emitter extends EventTarget {
  /**
   * Call `listener` with the detail of each event of this type.
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {(detail: Events[Type]) => void} listener
   * @returns {() => void} a function that removes the listener
   */
  on(type, listener) {
    const handle = (/** @type {any} */ event) => listener(event.detail);
    this.addEventListener(type, handle);
    return () => this.removeEventListener(type, handle);
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
