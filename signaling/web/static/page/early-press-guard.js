/**
 * A guard against presses that were not meant for this page. A hostile site can open it in the middle of a double
 * click, or while a key is held down.
 *
 * A press counts once the page has had the focus or the pointer for a moment. Either is enough, since a click into a
 * window in the background brings the focus along.
 */
const SETTLE_TIME = 500;

/**
 * @param {HTMLElement} place whose buttons are guarded; it has `data-settled` while presses count
 * @param {() => void} onRefused called for each press that does not count
 * @returns {() => void} restarts the moment, for when the place appears under the pointer
 */
export function guardEarlyPresses(place, onRefused) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** Whether the press under way began too early. */
  let early = false;
  const unsettle = () => {
    clearTimeout(timer);
    timer = undefined;
    delete place.dataset.settled;
  };
  const settle = () => {
    timer ??= setTimeout(() => (place.dataset.settled = ''), SETTLE_TIME);
  };
  const restart = () => {
    unsettle();
    settle();
  };
  const beginPress = () => {
    early = !('settled' in place.dataset);
  };
  addEventListener('blur', unsettle);
  addEventListener('focus', settle);
  addEventListener('pageshow', () => document.hasFocus() && settle());
  addEventListener('pointermove', settle);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && unsettle());
  place.addEventListener('pointerdown', beginPress, true);
  place.addEventListener('keydown', (event) => {
    beginPress();
    // A key that is held down presses a button repeatedly.
    if (event.repeat && event.key === 'Enter') event.preventDefault();
  }, true);
  place.addEventListener('click', (event) => {
    const counts = !early && 'settled' in place.dataset;
    early = false;
    if (counts || !(event.target instanceof Element && event.target.closest('button'))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A user who goes on clicking has not read the page yet.
    restart();
    onRefused();
  }, true);
  return restart;
}
