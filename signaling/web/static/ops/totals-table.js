/** The counts since the start, and the durations of calls. */
import { createElement, find } from '../common/dom.js';
import { formatCount, formatLatency } from '../common/format.js';

export class TotalsTable {
  #rows = find('#totals tbody', HTMLElement);

  /** @param {import('./state.js').State} state */
  show(state) {
    this.#rows.replaceChildren(...totals(state).map(([name, value]) => createRow(name, value)));
  }
}

/**
 * @param {import('./state.js').State} state
 * @returns {[name: string, value: string][]}
 */
function totals(state) {
  const refusedInAll = Object.values(state.refused).reduce((sum, count) => sum + count, 0);
  return [
    ['Joins', formatCount(state.joins)],
    ['Candidates forwarded', formatCount(state.relayed.candidate)],
    ['Other messages forwarded', formatCount(state.relayed.message)],
    ['Connections refused', formatCount(refusedInAll)],
    ...listed('Refused:', state.refused),
    ...listed('Error', state.errors),
    ...listed('Closed with', state.closes),
    ['Last candidate, median', formatMedian(state.settled)],
    ['Slow readers now', formatCount(state.slowConnections)],
    ['Heartbeat round trip, median', formatMedian(state.roundTrip)],
  ];
}

/**
 * @param {string} prefix
 * @param {Record<string, number>} counts
 * @returns {[name: string, value: string][]}
 */
function listed(prefix, counts) {
  return Object.entries(counts).map(([name, count]) => [`${prefix} ${name}`, formatCount(count)]);
}

/** @param {import('./state.js').Spread} spread */
function formatMedian({ count, median }) {
  return count ? formatLatency(median) : 'none yet';
}

/**
 * @param {string} name
 * @param {string} value
 */
function createRow(name, value) {
  return createElement('tr', {}, createElement('th', { scope: 'row' }, name), createElement('td', {}, value));
}
