/** What one looks and sounds like before the call, and what is wrong where there is nothing to see. */
import { describeProblems } from './words.js';

export class Preview {
  #video = document.querySelector('#preview-video');
  #off = document.querySelector('#preview-off');
  #words = document.querySelector('#preview-words');
  #open = document.querySelector('#preview-open');
  #problem = document.querySelector('#problem');
  #enter = document.querySelector('#enter');
  #local;
  #level;
  #heard;

  /**
   * @param {import('./local-media.js').LocalMedia} local
   * @param {import('./level.js').Level} level
   */
  constructor(local, level) {
    this.#local = local;
    this.#level = level;
    this.#open.addEventListener('click', () => this.#openAll());
    local.addEventListener('change', () => this.#show());
    this.#show();
  }

  #openAll() {
    for (const kind of ['audio', 'video']) if (!this.#local.isOn(kind)) this.#local.turn(kind, true);
    return this.#local.open();
  }

  #show() {
    const local = this.#local;
    const problems = describeProblems({ audio: local.problem('audio'), video: local.problem('video') });
    local.showOn(this.#video);
    // While one camera takes the place of another, there is nothing to say.
    this.#off.hidden = local.track('video') !== null || (local.opened && local.isOn('video'));
    this.#open.hidden = local.opened;
    this.#open.textContent = problems ? 'Try again' : 'Turn on camera and microphone';
    this.#words.textContent = local.opened || problems ? 'Your camera is off' : 'See how you look before you join';
    if (this.#problem.textContent !== problems) this.#problem.textContent = problems;
    this.#problem.hidden = !problems;
    const present = local.isOn('audio') || local.isOn('video');
    this.#enter.textContent = present ? 'Join the call' : 'Join without camera and microphone';
    this.#listen(local.track('audio'));
  }

  #listen(microphone) {
    if (microphone === this.#heard) return;
    this.#heard = microphone;
    this.#level.listen(microphone);
  }
}
