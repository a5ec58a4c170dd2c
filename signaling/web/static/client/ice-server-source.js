/**
 * The ICE servers of a call: those of the app, or those of the signaling server. The latter are fetched again before
 * they expire.
 */
import { errorMessage } from './errors.js';
import { httpUrl } from './http.js';
import { askForIceServers, expireSoon } from './ice-servers.js';

export class IceServerSource {
  #signaling;
  #configured;
  #onError;
  /** @type {RTCIceServer[]} */
  #received = [];
  /** @type {import('./join-credentials.js').Token} the access token, if the signaling server asks for one */
  token;

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {RTCIceServer[] | (() => RTCIceServer[] | Promise<RTCIceServer[]>) | undefined} configured those of the app
   * @param {(error: import('./errors.js').CallError) => void} onError called if newer ones cannot be had
   */
  constructor(signaling, configured, onError) {
    this.#signaling = signaling;
    this.#configured = configured;
    this.#onError = onError;
    const keep = (/** @type {import('./signaling-events.js').Welcome} */ { iceServers }) => {
      if (iceServers) this.#received = iceServers;
    };
    signaling.on('created', keep);
    signaling.on('joined', keep);
  }

  /** Whether the server has to list them in its reply to the join. */
  get usesServer() {
    return this.#configured === undefined;
  }

  /** @returns {Promise<RTCIceServer[]>} those to use now; after an error, those of the last time */
  async current() {
    const configured = this.#configured;
    try {
      if (configured) return (typeof configured === 'function' ? await configured() : configured) ?? [];
      if (expireSoon(this.#received)) this.#received = await this.#refresh();
    } catch (error) {
      this.#onError({ code: 'ice-servers-failed', message: errorMessage(error) });
    }
    return this.#received;
  }

  async #refresh() {
    const token = typeof this.token === 'function' ? await this.token() : this.token;
    return askForIceServers(httpUrl(this.#signaling.url, 'ice-servers'), { token });
  }
}
