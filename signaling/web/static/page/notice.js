/** A remark that comes and goes; unlike the status it is about something that has just happened. */
const SECONDS = 5;
const place = document.querySelector('#notice');
let timer;

/** @param {string} words empty: enough of the last one */
export function notice(words) {
  clearTimeout(timer);
  place.textContent = words;
  timer = setTimeout(() => (place.textContent = ''), SECONDS * 1000);
}
