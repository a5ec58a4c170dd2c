import { fetchWithTimeout } from './http.js';

/**
 * The configuration that `signaling_tags()` of the Flask extension writes into a page.
 *
 * @typedef {object} PageConfig
 * @property {string} url the URL of the WebSocket
 * @property {string} prefix the path in front of the server's routes
 * @property {string} [token] for `join`, if the app gave one
 * @property {string} [tokenUrl] the path that returns tokens, if the service runs beside the app
 */

/**
 * @param {string} [name] the instance, in an app with several
 * @returns {PageConfig}
 * @throws {Error} the page has no such configuration
 */
export function pageConfig(name) {
  const id = name ? `signaling-config-${name}` : 'signaling-config';
  const text = document.getElementById(id)?.textContent;
  if (!text) throw new Error(`The page has no #${id}: signaling_tags() of its template writes it`);
  const config = JSON.parse(text);
  // The page's own address, since `<base>` may name another host.
  const url = new URL(config.url, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return { ...config, url: url.href };
}

/**
 * Return the source of access tokens for `join`. It fetches a new one for each join if the service runs beside the app.
 * Otherwise it returns the token of the page, or undefined if the app needs none.
 * @param {string | number} peer
 * @param {string} [name] the instance, in an app with several
 * @returns {() => Promise<string | undefined>}
 */
export function pageToken(peer, name) {
  return async () => {
    const { token, tokenUrl } = pageConfig(name);
    if (!tokenUrl) return token;
    const headers = { 'Content-Type': 'application/json' };
    const url = new URL(tokenUrl, location.href);
    const response = await fetchWithTimeout(url, { method: 'POST', headers, body: JSON.stringify({ peer }) });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail ?? `No token: HTTP ${response.status}`);
    return answer.token;
  };
}
