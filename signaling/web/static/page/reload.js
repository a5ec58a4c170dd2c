/**
 * A reload in the middle of a call goes back into it without a press.
 *
 * The tab's memory says that there was a call only from the end of one page to the beginning of the next. So a window that
 * is opened from the call, or a copy of its tab, starts without it. It counts for a reload alone: any page can lead the tab to a
 * link or back in its history, but only the person, or this page, reloads it.
 */
const KEY = 'signaling-reload';
const LIFETIME = 60_000; // milliseconds; a browser that restores its windows later has asked nobody

/** @param {{me: string, peer: string}} names whose call the end of the page has ended */
export function rememberCall(names) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...names, time: Date.now() }));
  } catch {
    // A browser that keeps nothing: the person presses Join again.
  }
}

export function forgetCall() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

/** @param {{me: string, peer: string}} names @returns {boolean} whether this load is a reload of their call; true once */
export function isReloadOf({ me, peer }) {
  const left = recall();
  forgetCall();
  const [navigation] = performance.getEntriesByType('navigation');
  if (navigation?.type !== 'reload' || !left) return false;
  return left.me === me && left.peer === peer && Math.abs(Date.now() - left.time) < LIFETIME;
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}
