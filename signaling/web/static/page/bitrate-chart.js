/** The chart of the bit rates, received and sent, over the last minute. */
import { find } from '../common/dom.js';
import { LineChart } from '../common/line-chart.js';
import { formatBitrate } from './quality-format.js';
import { say } from './words.js';

/** One sample per second. */
const MAX_SAMPLES = 60;
/** Bits per second. */
const MIN_TOP = 100_000;

export class BitrateChart {
  #chart = new LineChart(find('#chart', SVGSVGElement), ['received', 'sent']);
  #scale = find('#scale', HTMLElement);
  /** @type {{ received: number, sent: number }[]} */
  #samples = [];

  /** @param {{ received: number, sent: number }} sample bits per second */
  add(sample) {
    this.#samples = [...this.#samples, sample].slice(-MAX_SAMPLES);
    const top = roundUp(Math.max(...this.#samples.flatMap((each) => [each.received, each.sent])));
    const [received, sent] = [formatBitrate(sample.received), formatBitrate(sample.sent)];
    const label = say('The last minute: now {received} received and {sent} sent', { received, sent });
    const to = this.#samples.length - 1;
    this.#chart.draw(
      {
        received: this.#samples.map((each, index) => [index, each.received]),
        sent: this.#samples.map((each, index) => [index, each.sent]),
      },
      { from: to - (MAX_SAMPLES - 1), to, top },
      label,
    );
    this.#scale.textContent = say('top: {bitrate}', { bitrate: formatBitrate(top) });
  }

  clear() {
    this.#samples = [];
    this.#chart.clear(say('Received and sent in the last minute'));
    this.#scale.textContent = '';
  }
}

/**
 * Return the next of 1, 2 and 5 times a power of ten, so that the scale seldom changes.
 * @param {number} bitrate
 */
function roundUp(bitrate) {
  const power = 10 ** Math.floor(Math.log10(Math.max(bitrate, MIN_TOP)));
  return power * ([1, 2, 5].find((factor) => factor * power >= bitrate) ?? 10);
}
