/** How loud the microphone is, as a bar. */
import { find } from '../common/dom.js';

/** The root mean square of the samples from which they count as sound; the maximum is 1. */
const SOUND_THRESHOLD = 0.02;
/** How long a browser may take to start an AudioContext. */
const RESUME_TIMEOUT = 500;

export class MicrophoneLevel {
  #bar = find('#level', HTMLElement);
  /** @type {AudioContext | undefined} */
  #context;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  #frame = 0;
  /** @type {Set<(loudness: number) => void>} */
  #listeners = new Set();

  /** @param {MediaStreamTrack | null} track replaces the one before; null shows silence */
  listenTo(track) {
    cancelAnimationFrame(this.#frame);
    this.#source?.disconnect();
    this.#source = null;
    this.#show(0);
    if (!track) return;
    // Browsers suspend a context until the user has pressed something on the page.
    this.#context ??= new AudioContext();
    this.#context.resume();
    const analyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(analyser);
    this.#measure(analyser, new Float32Array(analyser.fftSize));
  }

  /**
   * @param {number} timeout milliseconds
   * @returns {Promise<boolean>} whether there was any sound; also true if the browser does not let it be measured
   */
  async detectSound(timeout) {
    await Promise.race([this.#context?.resume(), new Promise((resolve) => setTimeout(resolve, RESUME_TIMEOUT))]);
    if (!this.#source || this.#context?.state !== 'running') return true;
    return new Promise((resolve) => {
      const finish = (/** @type {boolean} */ heard) => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(heard);
      };
      const listener = (/** @type {number} */ loudness) => loudness > SOUND_THRESHOLD && finish(true);
      const timer = setTimeout(() => finish(false), timeout);
      this.#listeners.add(listener);
    });
  }

  /**
   * @param {AnalyserNode} analyser
   * @param {Float32Array<ArrayBuffer>} samples
   */
  #measure(analyser, samples) {
    analyser.getFloatTimeDomainData(samples);
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);
    // Hearing is logarithmic: the length of the bar is 60 decibels.
    this.#show(Math.min(1, Math.max(0, 1 + (20 * Math.log10(loudness || 1e-9)) / 60)));
    for (const listener of [...this.#listeners]) listener(loudness);
    this.#frame = requestAnimationFrame(() => this.#measure(analyser, samples));
  }

  /** @param {number} share of the bar, 0 to 1 */
  #show(share) {
    this.#bar.style.setProperty('--level', share.toFixed(3));
  }
}
