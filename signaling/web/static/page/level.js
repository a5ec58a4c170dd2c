/** How loud the microphone is, as a bar. */
const LOUD = 0.02;

export class Level {
  #bar = document.querySelector('#level');
  /** @type {AudioContext | undefined} */
  #context;
  #source;
  #frame;
  #listeners = new Set();

  /** @param {MediaStreamTrack | null} track none, or another one, in place of the one before */
  listen(track) {
    cancelAnimationFrame(this.#frame);
    this.#source?.disconnect();
    this.#source = null;
    this.#show(0);
    if (!track) return;
    // Browsers keep a context still until the person has done something on the page.
    this.#context ??= new AudioContext();
    this.#context.resume();
    const analyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(analyser);
    this.#measure(analyser, new Float32Array(analyser.fftSize));
  }

  /**
   * @param {number} patience milliseconds
   * @returns {Promise<boolean>} whether there was any sound; true as well where that cannot be told
   */
  async hears(patience) {
    await Promise.race([this.#context?.resume(), new Promise((resolve) => setTimeout(resolve, 500))]);
    if (!this.#source || this.#context.state !== 'running') return true;
    return new Promise((resolve) => {
      const over = (heard) => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(heard);
      };
      const listener = (loudness) => loudness > LOUD && over(true);
      const timer = setTimeout(() => over(false), patience);
      this.#listeners.add(listener);
    });
  }

  #measure(analyser, samples) {
    analyser.getFloatTimeDomainData(samples);
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);
    // Ears are logarithmic: 60 decibels are the length of the bar.
    this.#show(Math.min(1, Math.max(0, 1 + (20 * Math.log10(loudness || 1e-9)) / 60)));
    for (const listener of [...this.#listeners]) listener(loudness);
    this.#frame = requestAnimationFrame(() => this.#measure(analyser, samples));
  }

  #show(share) {
    this.#bar.style.setProperty('--level', share.toFixed(3));
  }
}
