/**
 * The token that lets this page in, where the server asks for one. It comes in the fragment of a link (`#token=…`), which
 * no server and no log sees, and is taken out of the address at once, so that nobody copies it along with that. The tab
 * keeps it for when it is loaded again. The link may also say where a fresh token is to be had (`&refresh=/token/bob`).
 */
import { notice } from './notice.js';

const TOKEN = 'signaling-token';
const REFRESH = 'signaling-refresh';
const PATIENCE = 5_000;

/** @type {string | undefined} */
let token;
/** @type {string | undefined} */
let refresh;
let isNew = false;

function take() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [newToken, newRefresh] = [given.get('token') ?? undefined, given.get('refresh') ?? undefined];
  if (newToken === undefined && newRefresh === undefined) return;
  history.replaceState(history.state, '', location.pathname + location.search);
  token = newToken;
  isNew = token !== undefined;
  refresh = newRefresh;
  if (refresh !== undefined && !isOwn(refresh)) {
    refresh = undefined;
    notice('The link names another site for fresh tokens. This page does not ask there.');
  }
  keep(TOKEN, token);
  keep(REFRESH, refresh);
}

/** Whether an address is on the site of this page: any other one learns nothing from it. @param {string} address */
function isOwn(address) {
  try {
    return new URL(address, location.href).origin === location.origin;
  } catch {
    return false;
  }
}

/** @param {string} key @param {string | undefined} value */
function keep(key, value) {
  try {
    if (value === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the token is good until the page is left.
  }
}

/** @param {string} key */
function kept(key) {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    // As above.
    return undefined;
  }
}

/**
 * The token to show now: that of the link the first time, and a fresh one from then on where the link says how.
 * @returns {Promise<string | undefined>}
 */
export async function currentToken() {
  if (refresh === undefined || isNew) {
    isNew = false;
    return token;
  }
  try {
    const response = await fetch(refresh, {
      credentials: 'same-origin',
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(PATIENCE),
    });
    const fresh = response.ok ? (await response.json()).token : undefined;
    if (typeof fresh === 'string') keep(TOKEN, (token = fresh));
  } catch {
    // The one before may still do, and it is asked again for the next join.
  }
  return token;
}

token = kept(TOKEN);
refresh = kept(REFRESH);
take();
// A fresh link to the page that is open already does not load it again.
addEventListener('hashchange', take);
