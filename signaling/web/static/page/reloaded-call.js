/**
 * A reload in the middle of a call joins it again without a press.
 *
 * The tab remembers the call only from the end of one page to the beginning of the next. So a window that is opened
 * from the call, or a copy of its tab, starts without it. The memory counts only for a reload. Any site can open a link
 * in this tab or go back in its history, but only the user or this page reloads it.
 *
 * @typedef {{ me: string, peer: string }} Names
 */
import { readJson, writeItem } from './storage.js';

const KEY = 'signaling-reload';
/** In milliseconds. If a browser restores its windows later, the user may not want the call any more. */
const LIFETIME = 60_000;

/** @param {Names} names of the call that the end of the page has ended */
export function rememberCall(names) {
  writeItem('sessionStorage', KEY, JSON.stringify({ ...names, time: Date.now() }));
}

export function forgetCall() {
  writeItem('sessionStorage', KEY, undefined);
}

/**
 * @param {Names} names
 * @returns {boolean} whether this page is the reload of their call; true once only
 */
export function isReloadOf({ me, peer }) {
  const call = readJson('sessionStorage', KEY);
  forgetCall();
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'));
  if (navigation?.type !== 'reload' || !call) return false;
  return call.me === me && call.peer === peer && Math.abs(Date.now() - call.time) < LIFETIME;
}
