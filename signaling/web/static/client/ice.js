const PATIENCE = 5_000;
/** Seconds that credentials must still be good for: a call takes a while to connect. */
const MARGIN = 60;

/**
 * The ICE servers that the signaling server hands out at `/ice-servers`.
 * @param {string | URL} url
 * @param {{ token?: string }} [options] the token is needed where the server asks for one
 * @returns {Promise<RTCIceServer[]>} it rejects with a {@link import('./errors.js').CallError} where there is no answer
 */
export async function askForIceServers(url, { token } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
  const answer = await response.json();
  if (!response.ok) throw answer;
  return answer.iceServers ?? [];
}

/**
 * The same; none when it cannot be asked, since a call may well connect without.
 * @param {string | URL} url
 * @param {{ token?: string }} [options]
 * @returns {Promise<RTCIceServer[]>}
 */
export async function fetchIceServers(url, options) {
  try {
    return await askForIceServers(url, options);
  } catch {
    return [];
  }
}

/**
 * Whether credentials of TURN servers end within a minute, or have ended. A server that makes them for a time has their
 * end, in seconds since 1970, before the user name (draft-uberti-behave-turn-rest-00, section 2.2). Of others that is
 * not known.
 * @param {RTCIceServer[]} iceServers
 */
export function expireSoon(iceServers) {
  const ends = iceServers.map(({ username = '' }) => Number(/^(\d+)(:|$)/.exec(username)?.[1] ?? Infinity));
  return Math.min(Infinity, ...ends) - Date.now() / 1000 < MARGIN;
}
