/** What is to be seen and heard of the two: the peer's picture or screen, oneself in the corner, and who is absent. */
import { notice } from './notice.js';
import { describePeerDevices } from './words.js';

const EVERYTHING = { audio: true, video: true };

export class Stage {
  #absent = document.querySelector('#absent');
  #invitation = document.querySelector('#invitation');
  #remote = document.querySelector('#remote');
  #screen = document.querySelector('#screen');
  #local = document.querySelector('#local');
  #peerDevices = document.querySelector('#peer-devices');
  #unblock = document.querySelector('#unblock');
  #peer = '';
  #on = EVERYTHING;

  constructor() {
    this.#unblock.addEventListener('click', () => this.#play());
  }

  /** @param {string} peer @param {import('./local-media.js').LocalMedia} local */
  open(peer, local) {
    this.#peer = peer;
    const [initial = ''] = peer;
    document.querySelector('#initial').textContent = initial.toUpperCase();
    document.querySelector('#name').textContent = peer;
    document.querySelector('#invitation-words').textContent = `Send ${peer} a link to this call.`;
    this.#remote.setAttribute('aria-label', `Picture of ${peer}`);
    this.showSelf(local);
    this.#arrange();
  }

  close() {
    this.#local.srcObject = null;
    this.showPeer(null);
    this.showScreen(null);
  }

  /** @param {import('./local-media.js').LocalMedia} local */
  showSelf(local) {
    local.showOn(this.#local);
    this.#local.hidden = !local.track('video');
  }

  /** @param {MediaStream | null} stream */
  showPeer(stream) {
    if (stream) stream.onaddtrack = stream.onremovetrack = () => this.#arrange();
    else this.#on = EVERYTHING;
    this.#remote.srcObject = stream;
    this.#play();
    this.#arrange();
  }

  /** @param {MediaStream | null} stream */
  showScreen(stream) {
    this.#screen.srcObject = stream;
    this.#play();
    this.#arrange();
  }

  /** @param {{audio: boolean, video: boolean}} on what the peer says of its own devices */
  showPeerDevices(on) {
    this.#on = on;
    this.#arrange();
  }

  /** Only who is waited for needs a link. @param {boolean} yes */
  invite(yes) {
    this.#invitation.hidden = !yes;
  }

  /** @param {string} device the id of the speaker */
  async playOn(device) {
    try {
      await Promise.all([this.#remote, this.#screen].map((element) => element.setSinkId?.(device)));
    } catch {
      notice('The chosen speaker cannot be used. You hear the call on another one.');
    }
  }

  #arrange() {
    const stream = this.#remote.srcObject;
    const pictured = this.#on.video && (stream?.getVideoTracks().length ?? 0) > 0;
    this.#remote.classList.toggle('dark', !pictured);
    this.#screen.hidden = !this.#screen.srcObject;
    this.#remote.classList.toggle('small', !this.#screen.hidden);
    this.#absent.hidden = pictured || !this.#screen.hidden;
    this.#peerDevices.textContent = stream ? describePeerDevices(this.#on, this.#peer) : '';
    this.#peerDevices.hidden = !this.#peerDevices.textContent;
  }

  /** A page that has neither microphone nor a click yet may not make a sound before it is asked to. */
  async #play() {
    const playing = [this.#remote, this.#screen].filter(({ srcObject }) => srcObject).map((element) => element.play());
    const outcomes = await Promise.allSettled(playing);
    this.#unblock.hidden = !outcomes.some(({ reason }) => reason?.name === 'NotAllowedError');
  }
}
