/** HTTP requests to the signaling server, beside its WebSocket. */

/** Milliseconds. */
const RESPONSE_TIMEOUT = 5_000;

/**
 * Return the HTTP address beside a WebSocket.
 * @param {string | URL} socketUrl absolute, or relative to the page
 * @param {string} [path] relative to it; by default the same address
 */
export function httpUrl(socketUrl, path = '') {
  const url = new URL(path, new URL(socketUrl, globalThis.location?.href));
  url.protocol = url.protocol.replace('ws', 'http');
  return url;
}

/**
 * Fetch with a timeout of 5 seconds.
 * @param {string | URL} url
 * @param {RequestInit} [options]
 */
export function fetchWithTimeout(url, options) {
  return fetch(url, { ...options, signal: AbortSignal.timeout(RESPONSE_TIMEOUT) });
}
