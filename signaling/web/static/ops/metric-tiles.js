/** The figures at the top of the page, some with a chart of the last minutes. */
import { createElement, createSvg, find } from '../common/dom.js';
import { formatCount, formatDate, formatLatency } from '../common/format.js';
import { LineChart } from '../common/line-chart.js';

/**
 * @typedef {import('./state.js').State} State
 * @typedef {import('../common/line-chart.js').Point} Point
 */

/** Days before its end from which a certificate needs attention. */
const MIN_CERTIFICATE_DAYS = 14;
/** The share of the allowed connections above which their number needs attention. */
const MAX_CONNECTION_SHARE = 0.8;

export class MetricTiles {
  /** The second arguments are the least tops of the charts: on a quiet server, small changes must not look large. */
  #connections = new ChartTile('connections', 4, formatCount);
  #rooms = new ChartTile('rooms', 4, formatCount);
  #forwarded = new ChartTile('relayed', 1, formatCount);
  #lag = new ChartTile('lag', 0.01, formatLatency);
  #answered = new Tile('answered');
  #certificate = new Tile('certificate');

  /** @param {State} state */
  show(state) {
    const { history, calls, connections, maxConnections, relayed } = state;
    // The last sample covers only a part of its interval, too short for a mean.
    const whole = history.slice(0, -1);
    this.#connections.show(
      history.map((sample) => [sample[0], sample[1]]),
      `of ${formatCount(maxConnections)}`,
      connections > MAX_CONNECTION_SHARE * maxConnections ? 'bad' : '',
    );
    this.#rooms.show(
      history.map((sample) => [sample[0], sample[2]]),
      `${calls.settled} settled, ${calls.negotiating} negotiating, ${calls.waiting} waiting`,
    );
    this.#forwarded.show(forwardingRates(whole), `${formatCount(relayed.message + relayed.candidate)} in all`);
    this.#lag.show(
      whole.map((sample) => [sample[0], sample[4]]),
      (state.nodes?.length ?? 0) > 1 ? 'of the slowest node' : 'on average',
    );
    this.#answered.write(...describeSetUp(state));
    this.#certificate.write(...describeCertificate(state));
  }
}

class Tile {
  #figure = createElement('p', { class: 'figure' });
  #note = createElement('p', { class: 'note' });

  /** @param {string} name */
  constructor(name) {
    this.element = find(`[data-tile="${name}"]`, HTMLElement);
    this.element.append(this.#figure, this.#note);
  }

  /**
   * @param {string} figure
   * @param {string} note
   * @param {string} [tone] `bad` if it needs attention
   */
  write(figure, note, tone = '') {
    this.#figure.textContent = figure;
    this.#note.textContent = note;
    this.element.dataset.tone = tone;
  }
}

class ChartTile extends Tile {
  #chart;
  #minTop;
  #format;

  /**
   * @param {string} name
   * @param {number} minTop
   * @param {(value: number) => string} format
   */
  constructor(name, minTop, format) {
    super(name);
    const svg = createSvg('svg');
    this.element.append(svg);
    this.#chart = new LineChart(svg, ['line'], { filled: true });
    this.#minTop = minTop;
    this.#format = format;
  }

  /**
   * @param {Point[]} points times and values, oldest first
   * @param {string} note
   * @param {string} [tone]
   */
  show(points, note, tone) {
    const [from, to] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0];
    const highest = points.reduce((most, [, value]) => Math.max(most, value), 0);
    const now = this.#format(points.at(-1)?.[1] ?? 0);
    const maximum = this.#format(highest);
    const minutes = Math.max(1, Math.round((to - from) / 60));
    if (points.length > 1) {
      const scale = { from, to, top: Math.max(this.#minTop, highest) };
      this.#chart.draw({ line: points }, scale, `The last ${minutes} min: now ${now}, at most ${maximum}`);
    } else {
      this.#chart.clear(`Now ${now}`);
    }
    this.write(now, `${note}; at most ${maximum} in ${minutes} min`, tone);
  }
}

/**
 * @param {import('./state.js').Sample[]} history
 * @returns {Point[]} messages per second between each two samples
 */
function forwardingRates(history) {
  return history.slice(1).map(([at, , , forwarded], index) => {
    const [before, , , forwardedBefore] = history[index];
    return [at, (forwarded - forwardedBefore) / Math.max(at - before, 1)];
  });
}

/**
 * @param {State} state
 * @returns {[figure: string, note: string]}
 */
function describeSetUp({ answered }) {
  if (!answered.count) return ['none yet', 'from ready to the answer'];
  const [count, limit] = [formatCount(answered.count), formatLatency(answered.p95)];
  return [formatLatency(answered.median), `to the answer, the median of ${count}; 95 % within ${limit}`];
}

/**
 * @param {State} state
 * @returns {[figure: string, note: string, tone: string]}
 */
function describeCertificate({ certificate: { notAfter, refused }, now }) {
  if (notAfter === null) return ['none', 'TLS ends before this server', ''];
  const days = Math.floor((notAfter - now) / 86_400);
  const figure = days < 0 ? 'expired' : `${formatCount(days)} day${days === 1 ? '' : 's'}`;
  const note = refused ? 'The renewed certificate is broken and not used' : `until ${formatDate(notAfter)}`;
  return [figure, note, refused || days < MIN_CERTIFICATE_DAYS ? 'bad' : ''];
}
