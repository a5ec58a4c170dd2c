/**
 * What the machine notices of its network: `change` when it is on another one, or on one again, and `wake` when the
 * page is looked at again, since a phone may have frozen it, its sockets included.
 */
import { Emitter } from './emitter.js';

/** @extends {Emitter<{ change: undefined, wake: undefined }>} */
class Network extends Emitter {
  watch() {
    globalThis.addEventListener?.('online', () => this.emit('change', undefined));
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
