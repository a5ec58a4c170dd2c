/** Where a call gets its ICE servers: from the app, or from the signaling server, which is asked again as they expire. */
import { messageOf } from './errors.js';
import { askForIceServers, expireSoon } from './ice.js';

export class IceSource {
  #signaling;
  #given;
  #fail;
  /** @type {RTCIceServer[]} */
  #replied = [];
  /** @type {import('./signaling.js').Token} shown where the signaling server asks for one */
  token;

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {RTCIceServer[] | (() => RTCIceServer[] | Promise<RTCIceServer[]>) | undefined} given those of the app
   * @param {(error: import('./errors.js').CallError) => void} fail told that there are no newer ones
   */
  constructor(signaling, given, fail) {
    this.#signaling = signaling;
    this.#given = given;
    this.#fail = fail;
    const take = ({ iceServers }) => {
      if (iceServers) this.#replied = iceServers;
    };
    signaling.on('created', take);
    signaling.on('joined', take);
  }

  /** @returns {boolean} whether the reply to the join shall list them */
  get asks() {
    return this.#given === undefined;
  }

  /** @returns {Promise<RTCIceServer[]>} those to use now */
  async servers() {
    const given = this.#given;
    try {
      if (given) return (typeof given === 'function' ? await given() : given) ?? [];
      if (expireSoon(this.#replied)) this.#replied = await this.#fresh();
    } catch (error) {
      this.#fail({ code: 'ice-servers-failed', message: messageOf(error) });
    }
    return this.#replied;
  }

  async #fresh() {
    const url = new URL('ice-servers', new URL(this.#signaling.url, globalThis.location?.href));
    url.protocol = url.protocol.replace('ws', 'http');
    const token = typeof this.token === 'function' ? await this.token() : this.token;
    return askForIceServers(url, { token });
  }
}
