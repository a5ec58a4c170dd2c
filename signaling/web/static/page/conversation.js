/** The call view: one call at a time, between the two people, their devices and the panels. */
import { Call, SignalingClient } from '../client/client.js';
import { Chat } from './chat.js';
import { copyInvitation } from './invitation.js';
import { notice } from './notice.js';
import { Panels } from './panels.js';
import { QualityPanel } from './quality.js';
import { ScreenShare } from './screen-share.js';
import { Stage } from './stage.js';
import { currentToken } from './token.js';
import { describeError, describeProblems, describeStatus } from './words.js';

const KINDS = ['audio', 'video'];

export class Conversation {
  #local;
  #devices;
  #signalingUrl;
  #say;
  #stage = new Stage();
  #panels = new Panels();
  #chat = new Chat();
  #quality = new QualityPanel();
  #share = new ScreenShare();
  #names = { me: '', peer: '' };
  /** @type {Call | null} */
  #call = null;
  /** @type {SignalingClient | null} */
  #signaling = null;
  /** The track that was last sent of each kind: a Call knows its senders by them. */
  #sent = { audio: null, video: null };

  /**
   * @param {object} means
   * @param {import('./local-media.js').LocalMedia} means.local
   * @param {import('./devices.js').Devices} means.devices
   * @param {URL} means.signalingUrl
   * @param {(state: string, words: string) => void} means.say
   */
  constructor({ local, devices, signalingUrl, say }) {
    this.#local = local;
    this.#devices = devices;
    this.#signalingUrl = signalingUrl;
    this.#say = say;
    this.#panels.add(this.#chat.panel, this.#chat.toggle, () => this.#chat.read());
    this.#panels.add(this.#quality.panel, this.#quality.toggle);
    this.#panels.add(document.querySelector('#settings'), document.querySelector('#settings-toggle'));
    for (const button of document.querySelectorAll('#invite, #invitation-copy')) {
      button.addEventListener('click', () => copyInvitation(this.#names));
    }
    devices.addEventListener('speaker', ({ detail }) => this.#stage.playOn(detail));
    local.addEventListener('change', ({ detail: kind }) => this.#changed(kind));
  }

  /** @param {{me: string, peer: string}} names */
  prepare(names) {
    this.#names = names;
    this.#stage.open(names.peer, this.#local);
    if (this.#devices.speaker) this.#stage.playOn(this.#devices.speaker);
  }

  /** @param {(state: 'ended' | 'trouble', words: string) => void} finish */
  begin(finish) {
    const { me, peer } = this.#names;
    const signaling = new SignalingClient(this.#signalingUrl);
    const call = new Call(signaling, { media: this.#local.stream });
    this.#signaling = signaling;
    this.#call = call;
    for (const kind of KINDS) this.#sent[kind] = this.#local.track(kind);
    call.on('media', (stream) => this.#stage.showPeer(stream));
    call.on('screen', (stream) => this.#stage.showScreen(stream));
    call.on('message', (text) => this.#chat.receive(text));
    call.on('status', (status) => this.#progress(status, finish));
    call.on('error', (error) => {
      // Candidates still on their way when the peer left; its `bye` has said so already.
      if (error.code !== 'peer-absent') notice(describeError(error));
    });
    signaling.on('message', ({ data }) => {
      if (data?.type !== 'devices') return;
      this.#stage.showPeerDevices({ audio: data.audio !== false, video: data.video !== false });
    });
    this.#chat.open(peer, (text) => call.send(text));
    this.#quality.watch(call);
    this.#share.watch(call);
    const words = describeProblems({ audio: this.#local.problem('audio'), video: this.#local.problem('video') });
    if (words) notice(words);
    call.join(me, peer, { token: currentToken });
  }

  /** Leave the call, if there is one, and tidy up. */
  leave() {
    const call = this.#call;
    this.#call = this.#signaling = null;
    call?.hangUp();
    this.#share.stop();
    this.#quality.stop();
    this.#panels.close();
    this.#stage.close();
  }

  #progress(status, finish) {
    const words = describeStatus(status);
    if (status.state === 'ended') {
      if (this.#call) finish(status.code || status.error ? 'trouble' : 'ended', words);
      return;
    }
    this.#say(status.state, words);
    this.#stage.invite(status.state === 'waiting');
    if (status.state === 'connected') this.#tellDevices();
  }

  #changed(kind) {
    this.#stage.showSelf(this.#local);
    if (!this.#call) return;
    const problem = this.#local.problem(kind);
    if (problem) notice(describeProblems({ [kind]: problem }));
    const track = this.#local.track(kind);
    const before = this.#sent[kind];
    if (before && before !== track) this.#call.replaceTrack(before, track);
    else if (!before && track) this.#call.addTrack(track, this.#local.stream);
    this.#sent[kind] = track ?? before;
    this.#tellDevices();
  }

  /** Silence and a black picture do not say that they are meant. Clients that know nothing of this ignore it. */
  #tellDevices() {
    if (this.#call.status.state !== 'connected') return;
    const [audio, video] = KINDS.map((kind) => this.#local.isOn(kind));
    this.#signaling.send({ type: 'devices', audio, video });
  }
}
