/**
 * The configuration that `signaling_tags()` of the Flask extension writes into a page.
 *
 * @typedef {object} PageConfig
 * @property {string} url the URL of the WebSocket
 * @property {string} prefix the path in front of the server's routes
 * @property {string} [token] for `join`, if the app gave one
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
