/**
 * Why the server refused a WebSocket. Browsers do not show a page the status of a failed handshake, so a refusal looks
 * like a broken network. A POST to the same address asks for the reason; it carries an `Origin` as the handshake does.
 *
 * @typedef {import('./errors.js').CallError} CallError
 */
import { fetchWithTimeout, httpUrl } from './http.js';

/** The refusals that will be repeated at each later attempt. */
const FINAL = new Set(['origin-refused']);
const NON_FATAL = new Set(['server-full', 'address-limited', 'restarting', 'server-misconfigured']);

/**
 * @param {string | URL} url the URL of the WebSocket
 * @returns {Promise<CallError | undefined>} undefined if the server did not refuse, or cannot be reached
 */
export async function fetchRejection(url) {
  try {
    const response = await fetchWithTimeout(httpUrl(url), { method: 'POST', cache: 'no-store' });
    if (response.ok) return undefined;
    const { code, message = '' } = await response.json();
    return FINAL.has(code) || NON_FATAL.has(code) ? { code, message } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {CallError} rejection
 * @returns {boolean} whether a retry is useless
 */
export function isFinal({ code }) {
  return FINAL.has(code);
}
