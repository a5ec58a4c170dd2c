/**
 * Keeps presses out that were not meant for this page. A stranger's page can open this one under a pointer that is in the
 * middle of a double click, or under a key that is held down.
 *
 * A press counts once the page has had the focus or the pointer for a moment. Either will do, since a click into a window
 * in the background brings the focus along.
 */
const SETTLING_TIME = 500;

/**
 * @param {HTMLElement} place whose buttons are guarded; it has `data-settled` while presses count
 * @param {() => void} refused is called for each press that does not count
 * @returns {() => void} makes the next moment count again, when the place appears under the pointer
 */
export function guardPresses(place, refused) {
  let timer;
  /** Whether the press under way began too soon. */
  let early = false;
  const unsettle = () => {
    clearTimeout(timer);
    timer = undefined;
    delete place.dataset.settled;
  };
  const settle = () => {
    timer ??= setTimeout(() => (place.dataset.settled = ''), SETTLING_TIME);
  };
  const restart = () => {
    unsettle();
    settle();
  };
  const begin = () => {
    early = !('settled' in place.dataset);
  };
  addEventListener('blur', unsettle);
  addEventListener('focus', settle);
  addEventListener('pageshow', () => document.hasFocus() && settle());
  addEventListener('pointermove', settle);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && unsettle());
  place.addEventListener('pointerdown', begin, true);
  place.addEventListener('keydown', (event) => {
    begin();
    // A key that is held presses a button again and again.
    if (event.repeat && event.key === 'Enter') event.preventDefault();
  }, true);
  place.addEventListener('click', (event) => {
    const meant = !early && 'settled' in place.dataset;
    early = false;
    if (meant || !event.target.closest('button')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // Who goes on clicking does not read what they click on.
    restart();
    refused();
  }, true);
  return restart;
}
