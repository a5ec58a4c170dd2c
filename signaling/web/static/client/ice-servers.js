/** The ICE servers that the signaling server hands out. */
import { fetchWithTimeout } from './http.js';

/** Seconds for which credentials must still be valid: a call takes a while to connect. */
const MIN_VALIDITY = 60;

/**
 * Fetch the ICE servers from `/ice-servers`.
 * @param {string | URL} url
 * @param {object} [options]
 * @param {string} [options.token] the access token, if the server asks for one
 * @returns {Promise<RTCIceServer[]>}
 * @throws {import('./errors.js').CallError} the server refused
 * @throws {Error} the server did not answer within 5 seconds, or not with JSON
 */
export async function askForIceServers(url, { token } = {}) {
  const response = await fetchWithTimeout(url, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
  const answer = await response.json();
  if (!response.ok) throw answer;
  return answer.iceServers ?? [];
}

/**
 * Fetch the ICE servers, or return an empty list if that fails: a call may connect without any.
 * @param {string | URL} url
 * @param {object} [options]
 * @param {string} [options.token] the access token, if the server asks for one
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
 * Whether credentials of TURN servers have expired, or will within a minute. Temporary credentials have the Unix time
 * of their end before the user name (draft-uberti-behave-turn-rest-00, section 2.2). Others are taken to last.
 * @param {RTCIceServer[]} iceServers
 * @returns {boolean}
 */
export function expireSoon(iceServers) {
  const ends = iceServers.map(({ username = '' }) => Number(/^(\d+)(:|$)/.exec(username)?.[1] ?? Infinity));
  return Math.min(Infinity, ...ends) - Date.now() / 1000 < MIN_VALIDITY;
}
