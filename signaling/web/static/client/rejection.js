/**
 * Why the server refused a WebSocket. A browser shows a page no status of a handshake that failed: a refusal looks like a
 * network that is down. So the page asks with a POST to the same address, which has an `Origin` as the handshake has.
 *
 * @typedef {import('./errors.js').CallError} CallError
 */
const TIMEOUT = 5_000;

/** The refusals that no later attempt will change. */
const FINAL = new Set(['origin-refused']);
const PASSING = new Set(['server-full', 'address-limited', 'restarting']);

/**
 * @param {string | URL} url that of the WebSocket
 * @returns {Promise<CallError | undefined>} undefined when it is no refusal, or when nobody says so
 */
export async function fetchRejection(url) {
  try {
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace('ws', 'http');
    const response = await fetch(address, { method: 'POST', cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT) });
    if (response.ok) return undefined;
    const { code, message = '' } = await response.json();
    return FINAL.has(code) || PASSING.has(code) ? { code, message } : undefined;
  } catch {
    return undefined;
  }
}

/** @param {CallError} rejection @returns {boolean} whether to try again is of no use */
export function isFinal({ code }) {
  return FINAL.has(code);
}
