/** Two lines over the last minute: bits a second, received and sent. */
const SAMPLES = 60;
const [WIDTH, HEIGHT] = [300, 110];

export class Chart {
  #svg = document.querySelector('#chart');
  #scale = document.querySelector('#scale');
  #samples = { received: [], sent: [] };

  /** @param {{received: number, sent: number}} sample @param {(bitrate: number) => string} format */
  push(sample, format) {
    for (const [name, values] of Object.entries(this.#samples)) {
      values.push(sample[name]);
      if (values.length > SAMPLES) values.shift();
    }
    const top = ceiling(Math.max(...this.#samples.received, ...this.#samples.sent));
    for (const [name, values] of Object.entries(this.#samples)) {
      this.#svg.querySelector(`.${name}`).setAttribute('points', points(values, top));
    }
    this.#scale.textContent = `top: ${format(top)}`;
    this.#svg.setAttribute(
      'aria-label',
      `The last minute: now ${format(sample.received)} received and ${format(sample.sent)} sent`,
    );
  }

  clear() {
    this.#samples = { received: [], sent: [] };
    for (const line of this.#svg.querySelectorAll('polyline')) line.removeAttribute('points');
    this.#scale.textContent = '';
  }
}

/** The newest sample is at the right edge. */
function points(values, top) {
  const step = WIDTH / (SAMPLES - 1);
  const start = WIDTH - (values.length - 1) * step;
  const height = (value) => HEIGHT - 3 - (value / top) * (HEIGHT - 6);
  return values.map((value, index) => `${(start + index * step).toFixed(1)},${height(value).toFixed(1)}`).join(' ');
}

/** 1, 2 or 5 times a power of ten, so that the scale seldom moves. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 100_000)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value);
}
