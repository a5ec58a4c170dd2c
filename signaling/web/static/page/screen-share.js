/** One's own screen, shown to the peer beside the camera. */
import { label } from './icon.js';
import { notice } from './notice.js';

export class ScreenShare {
  #button = document.querySelector('#share');
  #remark = document.querySelector('#own-screen');
  /** @type {import('../client/call.js').Call | null} */
  #call = null;
  /** @type {MediaStream | null} */
  #stream = null;
  /** Whether the browser asks which screen: a second question would be answered by a second capture. */
  #asking = false;

  constructor() {
    // Phones have no such thing.
    this.#button.hidden = !navigator.mediaDevices?.getDisplayMedia;
    this.#button.addEventListener('click', () => (this.#stream ? this.#end() : this.#begin()));
    this.#show();
  }

  /** @param {import('../client/call.js').Call} call */
  watch(call) {
    this.#call = call;
    call.on('sharing', (sharing) => !sharing && this.#end());
  }

  /** The call is over. */
  stop() {
    this.#end();
    this.#call = null;
  }

  async #begin() {
    if (this.#asking) return;
    const call = this.#call;
    let stream;
    this.#asking = true;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
    } catch (error) {
      // Who closes the browser's choice of screens has changed their mind, and knows.
      if (error.name !== 'NotAllowedError') notice(`The screen cannot be shared: ${error.message}`);
      return;
    } finally {
      this.#asking = false;
    }
    // The call may be over by now, or the browser's own button was quicker.
    if (!call || call !== this.#call || !call.shareScreen(stream)) return close(stream);
    this.#stream = stream;
    this.#show();
  }

  #end() {
    if (!this.#stream) return;
    const stream = this.#stream;
    this.#stream = null;
    this.#call?.stopSharing();
    close(stream);
    this.#show();
  }

  #show() {
    const sharing = this.#stream !== null;
    label(this.#button, 'screen', sharing ? 'Stop sharing' : 'Share screen');
    this.#button.toggleAttribute('data-on', sharing);
    this.#remark.hidden = !sharing;
  }
}

function close(stream) {
  for (const track of stream.getTracks()) track.stop();
}
