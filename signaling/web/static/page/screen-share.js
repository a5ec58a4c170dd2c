/** The user's own screen, which the peer sees beside the camera. */
import { find } from '../common/dom.js';
import { labelButton } from './icon.js';
import { stopTracks } from './local-media.js';
import { showNotice } from './notice.js';
import { say } from './words.js';

export class ScreenShare {
  #button = find('#share', HTMLButtonElement);
  #indicator = find('#own-screen', HTMLElement);
  /** @type {import('../client/call.js').Call | null} */
  #call = null;
  /** @type {MediaStream | null} */
  #stream = null;
  /** Whether the browser asks for the screen. A second request would start a second capture. */
  #requesting = false;

  constructor() {
    // Browsers on phones cannot capture the screen.
    this.#button.hidden = !('getDisplayMedia' in (navigator.mediaDevices ?? {}));
    this.#button.addEventListener('click', () => (this.#stream ? this.#stopSharing() : this.#startSharing()));
    this.#update();
  }

  /** @param {import('../client/call.js').Call} call */
  watch(call) {
    this.#call = call;
    call.on('sharing', (sharing) => !sharing && this.#stopSharing());
  }

  /** Stop sharing, and forget the call: it is over. */
  stop() {
    this.#stopSharing();
    this.#call = null;
  }

  async #startSharing() {
    if (this.#requesting) return;
    const call = this.#call;
    let stream;
    this.#requesting = true;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      // The user closed the browser's choice of screens, and needs no notice.
      if (name !== 'NotAllowedError') showNotice(say('The screen cannot be shared: {message}', { message }));
      return;
    } finally {
      this.#requesting = false;
    }
    // Meanwhile the call may have ended, or the user may have stopped the capture in the browser.
    if (!call || call !== this.#call || !call.shareScreen(stream)) {
      stopTracks(stream);
      return;
    }
    this.#stream = stream;
    this.#update();
  }

  #stopSharing() {
    if (!this.#stream) return;
    const stream = this.#stream;
    this.#stream = null;
    this.#call?.stopSharing();
    stopTracks(stream);
    this.#update();
  }

  #update() {
    const sharing = this.#stream !== null;
    labelButton(this.#button, 'screen', say(sharing ? 'Stop sharing' : 'Share screen'));
    this.#button.toggleAttribute('data-on', sharing);
    this.#indicator.hidden = !sharing;
  }
}
