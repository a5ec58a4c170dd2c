/**
 * The browser's reports about the machine's network and about the page.
 *
 * @typedef {object} Events
 * @property {undefined} change the machine is on another network, or on one again
 * @property {undefined} offline the machine is on no network
 * @property {undefined} wake the page is visible again; a phone may have frozen it together with its sockets
 * @property {undefined} leave the user leaves the page; it may return from the browser's cache
 *
 * @typedef {EventTarget & { type?: string }} NetworkInformation the W3C's Network Information API; not in all browsers
 */
import { Emitter } from './emitter.js';

/** @extends {Emitter<Events>} */
class Network extends Emitter {
  watch() {
    globalThis.addEventListener?.('online', () => this.emit('change', undefined));
    globalThis.addEventListener?.('offline', () => this.emit('offline', undefined));
    globalThis.addEventListener?.('pagehide', () => this.emit('leave', undefined));
    globalThis.addEventListener?.('pageshow', ({ persisted }) => persisted && this.emit('wake', undefined));
    globalThis.document?.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.emit('wake', undefined);
    });
    const { connection } = /** @type {{ connection?: NetworkInformation }} */ (globalThis.navigator ?? {});
    let type = connection?.type;
    connection?.addEventListener('change', () => {
      // Browsers also fire this event for each new estimate of the bandwidth.
      if (connection.type === type) return;
      type = connection.type;
      this.emit('change', undefined);
    });
    return this;
  }
}

export const network = new Network().watch();
