/** The panel that shows the quality of the connection, now and over the last minute. */
import { createElement, find } from '../common/dom.js';
import { formatDuration, formatLatency } from '../common/format.js';
import { BitrateChart } from './bitrate-chart.js';
import { formatBitrate, formatKnown, formatPicture, formatShare, formatSize, gradeQuality } from './quality-format.js';
import { say } from './words.js';

const INTERVAL = 1_000;

const VERDICTS = {
  good: 'The connection is good.',
  fair: 'The connection is fair: picture and sound may stumble now and then.',
  poor: 'The connection is poor. A cable, or a place closer to the router, may help.',
};

/** @type {Record<RTCIceCandidateType, string>} */
const CANDIDATE_TYPES = {
  host: 'local address',
  srflx: 'public address',
  prflx: 'public address',
  relay: 'relay',
};

export class QualityPanel {
  panel = find('#quality', HTMLElement);
  toggle = find('#quality-toggle', HTMLButtonElement);
  #verdict = find('#verdict', HTMLElement);
  #flows = find('#flows', HTMLElement);
  #facts = find('#facts', HTMLElement);
  #chart = new BitrateChart();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #interval;
  /** @type {number | null} when the connection was first measured, in milliseconds since 1970 */
  #since = null;

  /** @param {import('../client/call.js').Call} call it is measured once a second from now on */
  watch(call) {
    this.stop();
    this.#verdict.textContent = say('There is no connection yet.');
    this.#interval = setInterval(() => this.#measure(call), INTERVAL);
  }

  stop() {
    clearInterval(this.#interval);
    this.#since = null;
    this.#chart.clear();
    this.#flows.replaceChildren();
    this.#facts.replaceChildren();
  }

  /** @param {import('../client/call.js').Call} call */
  async #measure(call) {
    const quality = await call.quality();
    if (!quality || call.status.state === 'ended') return;
    this.#since ??= Date.now();
    const { sent, received, local, remote, path, roundTrip } = quality;
    this.#chart.add({ received: received.bitrate, sent: sent.bitrate });
    this.#showGrade(gradeQuality(quality));
    this.#flows.replaceChildren(
      createRow('Bit rate', formatBitrate(received.bitrate), formatBitrate(sent.bitrate)),
      createRow('Lost', formatKnown(received.loss, formatShare), formatKnown(sent.loss, formatShare)),
      createRow('Picture', formatPicture(received), formatPicture(sent)),
      createRow('In all', formatSize(received.bytes), formatSize(sent.bytes)),
    );
    this.#facts.replaceChildren(
      ...createFact('Round trip', formatKnown(roundTrip, formatLatency)),
      ...createFact('Jitter', formatKnown(received.jitter, formatLatency)),
      ...createFact('Path', say(path === 'relay' ? 'by relay' : 'direct')),
      ...createFact('You', describeEnd(local)),
      ...createFact('Peer', describeEnd(remote)),
      ...createFact('Time', formatDuration((Date.now() - this.#since) / 1000)),
    );
  }

  /** @param {keyof VERDICTS} grade */
  #showGrade(grade) {
    this.panel.dataset.grade = grade;
    this.#verdict.textContent = say(VERDICTS[grade]);
  }
}

/** @param {import('../client/quality-meter.js').CandidateEnd} end */
function describeEnd({ type, protocol }) {
  return `${say(CANDIDATE_TYPES[type] ?? type)}, ${protocol.toUpperCase()}`;
}

/**
 * @param {string} name
 * @param {...string} values
 */
function createRow(name, ...values) {
  const cells = values.map((value) => createElement('td', {}, value));
  return createElement('tr', {}, createElement('th', { scope: 'row' }, say(name)), ...cells);
}

/**
 * @param {string} name
 * @param {string} value
 */
function createFact(name, value) {
  return [createElement('dt', {}, say(name)), createElement('dd', {}, value)];
}
