/** The user's own picture and sound before the call, or why there is none. */
import { find, setText } from '../common/dom.js';
import { KINDS } from './local-media.js';
import { describeProblems } from './user-messages.js';
import { say } from './words.js';

export class Preview {
  #video = find('#preview-video', HTMLVideoElement);
  #off = find('#preview-off', HTMLElement);
  #text = find('#preview-text', HTMLElement);
  #open = find('#preview-open', HTMLButtonElement);
  #problem = find('#problem', HTMLElement);
  #enter = find('#enter', HTMLButtonElement);
  #local;
  #level;
  /** @type {MediaStreamTrack | null} */
  #microphone = null;

  /**
   * @param {import('./local-media.js').LocalMedia} local
   * @param {import('./microphone-level.js').MicrophoneLevel} level
   */
  constructor(local, level) {
    this.#local = local;
    this.#level = level;
    this.#open.addEventListener('click', () => this.#openDevices());
    local.on('change', () => this.#update());
    this.#update();
  }

  #openDevices() {
    for (const kind of KINDS) if (!this.#local.isOn(kind)) this.#local.turn(kind, true);
    return this.#local.open();
  }

  #update() {
    const local = this.#local;
    const problems = describeProblems({ audio: local.problem('audio'), video: local.problem('video') });
    local.showOn(this.#video);
    // While one camera replaces another, there is nothing to tell.
    this.#off.hidden = local.track('video') !== null || (local.opened && local.isOn('video'));
    this.#open.hidden = local.opened;
    this.#open.textContent = say(problems ? 'Try again' : 'Turn on camera and microphone');
    const isOff = local.opened || problems;
    this.#text.textContent = say(isOff ? 'Your camera is off' : 'See how you look before you join');
    setText(this.#problem, problems);
    this.#problem.hidden = !problems;
    const sendsMedia = local.isOn('audio') || local.isOn('video');
    this.#enter.textContent = say(sendsMedia ? 'Join the call' : 'Join without camera and microphone');
    this.#listenTo(local.track('audio'));
  }

  /** @param {MediaStreamTrack | null} microphone */
  #listenTo(microphone) {
    if (microphone === this.#microphone) return;
    this.#microphone = microphone;
    this.#level.listenTo(microphone);
  }
}
