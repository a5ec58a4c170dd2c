/** The pictures of a call: the peer's camera or screen, the user's own camera in the corner, or the name of an absent peer. */
import { find } from '../common/dom.js';
import { showNotice } from './notice.js';
import { describePeerDevices } from './user-messages.js';
import { say } from './words.js';

const BOTH_ON = { audio: true, video: true };

export class VideoArea {
  #absent = find('#absent', HTMLElement);
  #invitation = find('#invitation', HTMLElement);
  #remote = find('#remote', HTMLVideoElement);
  #screen = find('#screen', HTMLVideoElement);
  #local = find('#local', HTMLVideoElement);
  #peerDevices = find('#peer-devices', HTMLElement);
  #playButton = find('#unblock', HTMLButtonElement);
  #peer = '';
  #peerDevicesOn = BOTH_ON;

  constructor() {
    this.#playButton.addEventListener('click', () => this.#play());
  }

  /**
   * @param {string} peer
   * @param {import('./local-media.js').LocalMedia} local
   */
  open(peer, local) {
    this.#peer = peer;
    const [initial = ''] = peer;
    find('#initial', HTMLElement).textContent = initial.toUpperCase();
    find('#name', HTMLElement).textContent = peer;
    find('#invitation-text', HTMLElement).textContent = say('Send {peer} a link to this call.', { peer });
    this.#remote.setAttribute('aria-label', say('Picture of {peer}', { peer }));
    this.showLocal(local);
    this.#arrange();
  }

  close() {
    this.#local.srcObject = null;
    this.showPeer(null);
    this.showScreen(null);
  }

  /** @param {import('./local-media.js').LocalMedia} local */
  showLocal(local) {
    local.showOn(this.#local);
    this.#local.hidden = !local.track('video');
  }

  /** @param {MediaStream | null} stream */
  showPeer(stream) {
    if (stream) stream.onaddtrack = stream.onremovetrack = () => this.#arrange();
    else this.#peerDevicesOn = BOTH_ON;
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

  /** @param {{ audio: boolean, video: boolean }} on which of its devices the peer has turned on */
  showPeerDevices(on) {
    this.#peerDevicesOn = on;
    this.#arrange();
  }

  /** @param {boolean} shown whether the user is offered a link for the peer */
  showInvitation(shown) {
    this.#invitation.hidden = !shown;
  }

  /** @param {string} speaker the id of the output device */
  async playOn(speaker) {
    try {
      await Promise.all([this.#remote, this.#screen].map((video) => video.setSinkId?.(speaker)));
    } catch {
      showNotice(say('The chosen speaker cannot be used. You hear the call on another one.'));
    }
  }

  #arrange() {
    const stream = /** @type {MediaStream | null} */ (this.#remote.srcObject);
    const hasPicture = this.#peerDevicesOn.video && (stream?.getVideoTracks().length ?? 0) > 0;
    this.#remote.classList.toggle('dark', !hasPicture);
    this.#screen.hidden = !this.#screen.srcObject;
    this.#remote.classList.toggle('small', !this.#screen.hidden);
    this.#absent.hidden = hasPicture || !this.#screen.hidden;
    this.#peerDevices.textContent = stream ? describePeerDevices(this.#peerDevicesOn, this.#peer) : '';
    this.#peerDevices.hidden = !this.#peerDevices.textContent;
  }

  /** Play what there is. Without a microphone or a press, the browser may not let the page make a sound by itself. */
  async #play() {
    const playing = [this.#remote, this.#screen].filter(({ srcObject }) => srcObject).map((video) => video.play());
    const outcomes = await Promise.allSettled(playing);
    this.#playButton.hidden = !outcomes.some(
      (outcome) => outcome.status === 'rejected' && outcome.reason.name === 'NotAllowedError',
    );
  }
}
