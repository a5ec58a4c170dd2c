/**
 * What the machine notices of its network and the page: `change` when it is on another network, or on one again;
 * `offline` when it is on none; `wake` when the page is looked at again, since a phone may have frozen it, its sockets
 * included; `leave` when the page goes, though it may come back out of the browser's memory.
 */
import { Emitter } from './emitter.js';

/** @extends {Emitter<{ change: undefined, offline: undefined, wake: undefined, leave: undefined }>} */
class Network extends Emitter {
  watch() {
    globalThis.addEventListener?.('online', () => this.emit('change', undefined));
    globalThis.addEventListener?.('offline', () => this.emit('offline', undefined));
    globalThis.addEventListener?.('pagehide', () => this.emit('leave', undefined));
    globalThis.addEventListener?.('pageshow', ({ persisted }) => persisted && this.emit('wake', undefined));
    globalThis.document?.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.emit('wake', undefined);
    });
    // Browsers fire this for each new estimate of the bandwidth too.
    const link = /** @type {any} */ (globalThis.navigator)?.connection;
    let type = link?.type;
    link?.addEventListener?.('change', () => {
      if (link.type === type) return;
      type = link.type;
      this.emit('change', undefined);
    });
    return this;
  }
}

export const network = new Network().watch();
