/**
 * The access token of this page, if the server asks for one. It comes in the fragment of a link (`#token=…`), which no
 * server and no log sees. The page removes it from the address at once, lest somebody copies it along. The tab keeps
 * it for a reload. The link may also name the address of fresh tokens (`&refresh=/token/bob`).
 */
import { showNotice } from './notice.js';
import { readItem, writeItem } from './storage.js';
import { say } from './words.js';

const TOKEN_KEY = 'signaling-token';
const REFRESH_KEY = 'signaling-refresh';
const RESPONSE_TIMEOUT = 5_000;

let token = readItem('sessionStorage', TOKEN_KEY);
/** The address of fresh tokens. */
let refreshUrl = readItem('sessionStorage', REFRESH_KEY);
/** Whether the token comes from the link and was not used yet. */
let isUnused = false;

function takeFromLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const [newToken, newUrl] = [parameters.get('token') ?? undefined, parameters.get('refresh') ?? undefined];
  if (newToken === undefined && newUrl === undefined) return;
  history.replaceState(history.state, '', location.pathname + location.search);
  token = newToken;
  isUnused = token !== undefined;
  refreshUrl = newUrl;
  if (refreshUrl !== undefined && !isSameOrigin(refreshUrl)) {
    refreshUrl = undefined;
    showNotice(say('The link names another site for fresh tokens. This page does not ask there.'));
  }
  writeItem('sessionStorage', TOKEN_KEY, token);
  writeItem('sessionStorage', REFRESH_KEY, refreshUrl);
}

/**
 * Whether an address has the origin of this page. A request to another origin would tell it about the user.
 * @param {string} address
 */
function isSameOrigin(address) {
  try {
    return new URL(address, location.href).origin === location.origin;
  } catch {
    return false;
  }
}

/**
 * Return the token for a request: at first the one of the link, later a fresh one, if the link names an address for it.
 * If no fresh one can be had, return the last one, which may still be valid.
 * @returns {Promise<string | undefined>}
 */
export async function currentToken() {
  if (refreshUrl === undefined || isUnused) {
    isUnused = false;
    return token;
  }
  try {
    const response = await fetch(refreshUrl, {
      credentials: 'same-origin',
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(RESPONSE_TIMEOUT),
    });
    const fresh = response.ok ? (await response.json()).token : undefined;
    if (typeof fresh === 'string') writeItem('sessionStorage', TOKEN_KEY, (token = fresh));
  } catch {
    // The next join asks again.
  }
  return token;
}

takeFromLink();
// If the page is open already, a fresh link only changes the fragment.
addEventListener('hashchange', takeFromLink);
