/** A short text about something that has just happened. It disappears by itself, unlike the status. */
import { find } from '../common/dom.js';

const DURATION = 5_000;
const element = find('#notice', HTMLElement);
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} text */
export function showNotice(text) {
  clearTimeout(timer);
  element.textContent = text;
  timer = setTimeout(clearNotice, DURATION);
}

export function clearNotice() {
  clearTimeout(timer);
  element.textContent = '';
}
