/** The view of a call: the pictures, the buttons and the panels of one call at a time. */
import { Call, SignalingClient } from '../client/client.js';
import { find } from '../common/dom.js';
import { currentToken } from './access-token.js';
import { Chat } from './chat.js';
import { copyInvitation } from './invitation.js';
import { KINDS } from './local-media.js';
import { showNotice } from './notice.js';
import { Panels } from './panels.js';
import { QualityPanel } from './quality-panel.js';
import { ScreenShare } from './screen-share.js';
import { describeError, describeProblems, describeStatus } from './user-messages.js';
import { VideoArea } from './video-area.js';
import { say } from './words.js';

export class CallView {
  #local;
  #devices;
  #signalingUrl;
  #showStatus;
  #videos = new VideoArea();
  #panels = new Panels();
  #chat = new Chat();
  #quality = new QualityPanel();
  #share = new ScreenShare();
  #names = { me: '', peer: '' };
  /** @type {Call | null} */
  #call = null;
  /** @type {SignalingClient | null} */
  #signaling = null;
  /**
   * The last track of each kind that was sent: a Call finds the place of a track by it.
   * @type {Record<import('./local-media.js').Kind, MediaStreamTrack | null>}
   */
  #sentTracks = { audio: null, video: null };

  /**
   * @param {object} options
   * @param {import('./local-media.js').LocalMedia} options.local
   * @param {import('./device-picker.js').DevicePicker} options.devices
   * @param {URL} options.signalingUrl
   * @param {(state: string, text: string) => void} options.showStatus
   */
  constructor({ local, devices, signalingUrl, showStatus }) {
    this.#local = local;
    this.#devices = devices;
    this.#signalingUrl = signalingUrl;
    this.#showStatus = showStatus;
    this.#panels.add('chat', say('Chat'), () => this.#chat.markRead());
    this.#panels.add('quality', say('Quality'));
    this.#panels.add('settings', say('Devices'));
    for (const button of ['#invite', '#invitation-copy']) {
      find(button, HTMLButtonElement).addEventListener('click', () => copyInvitation(this.#names));
    }
    devices.on('speaker', (speaker) => this.#videos.playOn(speaker));
    local.on('change', (kind) => this.#updateTrack(kind));
  }

  /** @param {import('./reloaded-call.js').Names} names */
  prepare(names) {
    this.#names = names;
    this.#videos.open(names.peer, this.#local);
    if (this.#devices.speaker) this.#videos.playOn(this.#devices.speaker);
  }

  /** @param {(state: 'ended' | 'trouble', text: string) => void} onEnd called if the call ends by itself */
  begin(onEnd) {
    const { me, peer } = this.#names;
    const signaling = new SignalingClient(this.#signalingUrl);
    const call = new Call(signaling, { media: this.#local.stream });
    this.#signaling = signaling;
    this.#call = call;
    for (const kind of KINDS) this.#sentTracks[kind] = this.#local.track(kind);
    call.on('media', (stream) => this.#videos.showPeer(stream));
    call.on('screen', (stream) => this.#videos.showScreen(stream));
    call.on('message', (text) => this.#chat.receive(text));
    call.on('status', (status) => this.#handleStatus(status, onEnd));
    call.on('error', (error) => showNotice(describeError(error)));
    signaling.on('message', ({ data }) => {
      if (data?.type !== 'devices') return;
      this.#videos.showPeerDevices({ audio: data.audio !== false, video: data.video !== false });
    });
    this.#chat.open(peer, (text) => call.send(text));
    this.#quality.watch(call);
    this.#share.watch(call);
    const problems = describeProblems({ audio: this.#local.problem('audio'), video: this.#local.problem('video') });
    if (problems) showNotice(problems);
    call.join(me, peer, { token: currentToken });
  }

  /** Leave the call, if there is one, and clear the view. */
  leave() {
    const call = this.#call;
    this.#call = this.#signaling = null;
    call?.hangUp();
    this.#share.stop();
    this.#quality.stop();
    this.#panels.close();
    this.#videos.close();
  }

  /**
   * @param {Readonly<import('../client/status.js').Status>} status
   * @param {(state: 'ended' | 'trouble', text: string) => void} onEnd
   */
  #handleStatus(status, onEnd) {
    const text = describeStatus(status);
    if (status.state === 'ended') {
      if (this.#call) onEnd(status.code || status.error ? 'trouble' : 'ended', text);
      return;
    }
    this.#showStatus(status.state, text);
    this.#videos.showInvitation(status.state === 'waiting');
    if (status.state === 'connected') this.#sendDeviceStates();
  }

  /** @param {import('./local-media.js').Kind} kind */
  #updateTrack(kind) {
    this.#videos.showLocal(this.#local);
    if (!this.#call) return;
    const problem = this.#local.problem(kind);
    if (problem) showNotice(describeProblems({ [kind]: problem }));
    const track = this.#local.track(kind);
    const sent = this.#sentTracks[kind];
    if (sent && sent !== track) this.#call.replaceTrack(sent, track);
    else if (!sent && track) this.#call.addTrack(track);
    this.#sentTracks[kind] = track ?? sent;
    this.#sendDeviceStates();
  }

  /** Tell the peer which devices are off: it cannot tell a muted microphone from silence. Other clients ignore it. */
  #sendDeviceStates() {
    if (this.#call?.status.state !== 'connected') return;
    const [audio, video] = KINDS.map((kind) => this.#local.isOn(kind));
    this.#signaling?.send({ type: 'devices', audio, video });
  }
}
