/** The operator's page. It asks the server for its state every two seconds and shows it. */
import { find, setText } from '../common/dom.js';
import { formatDuration, formatTime } from '../common/format.js';
import { CallList } from './call-list.js';
import { MetricTiles } from './metric-tiles.js';
import { NodeTable } from './node-table.js';
import { RefusalList } from './refusal-list.js';
import { TotalsTable } from './totals-table.js';

/** @typedef {import('./state.js').State} State */

const REFRESH_INTERVAL = 2_000;
const RESPONSE_TIMEOUT = 10_000;
/** How long the operator must not type before the search begins. */
const TYPING_DELAY = 250;

// An absolute address, since browsers refuse a relative one on a page whose address contains a password.
const base = `${location.origin}${location.pathname}`;
const tiles = new MetricTiles();
const calls = new CallList();
const nodes = new NodeTable();
const refusals = new RefusalList();
const totals = new TotalsTable();
const search = find('#user', HTMLInputElement);
const statusElement = find('#status', HTMLElement);
const extras = find('#extras', HTMLElement);
/** It grows with each refresh, so that an answer can tell whether a later refresh has begun. */
let generation = 0;
/** @type {number | null} the time of the last answer, in seconds since 1970 */
let lastAnswer = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

class HttpError extends Error {
  /** @param {number} status */
  constructor(status) {
    super(status === 401 ? 'Signed out: reload the page' : `The server answers ${status}`);
  }
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 * @throws {HttpError}
 */
async function fetchJson(path) {
  const response = await fetch(`${base}/${path}`, { signal: AbortSignal.timeout(RESPONSE_TIMEOUT) });
  if (!response.ok) throw new HttpError(response.status);
  return response.json();
}

async function refresh() {
  clearTimeout(timer);
  const current = ++generation;
  const user = search.value.trim();
  try {
    /** @type {[State, import('./state.js').Calls]} */
    const [state, found] = await Promise.all([
      fetchJson('state.json'),
      fetchJson(`calls.json?user=${encodeURIComponent(user)}`),
    ]);
    if (current !== generation) return;
    lastAnswer = state.now;
    tiles.show(state);
    calls.show(found, state.now, user !== '');
    nodes.show(state);
    refusals.show(state);
    totals.show(state);
    const release = state.release ? `, release ${state.release}` : '';
    extras.textContent = `Version ${state.version}${release}, up ${formatDuration(state.uptime)}`;
    showStatus(...describeHealth(state));
  } catch (error) {
    if (current !== generation) return;
    const text = error instanceof HttpError ? error.message : 'No answer';
    showStatus(lastAnswer ? `${text}, last one at ${formatTime(lastAnswer)}` : text, 'trouble');
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_INTERVAL);
}

/**
 * @param {State} state
 * @returns {[text: string, state: 'connected' | 'trouble']}
 */
function describeHealth({ draining, redis, nodes: all = [] }) {
  if (redis === 'down') return ['Redis is down: these are the figures of one node', 'trouble'];
  if (draining) return [all.length > 1 ? 'Draining: all nodes stop' : 'Draining: the worker stops', 'trouble'];
  const missing = all.filter((node) => node.missing).length;
  return missing ? [`Live, without ${missing} of ${all.length} nodes`, 'trouble'] : ['Live', 'connected'];
}

/**
 * @param {string} text
 * @param {'connected' | 'trouble'} state
 */
function showStatus(text, state) {
  document.body.dataset.state = state;
  setText(statusElement, text);
}

/** Keep the search in the address, and refresh once the operator stops typing. */
function scheduleSearch() {
  const url = new URL(base);
  const user = search.value.trim();
  if (user) url.searchParams.set('user', user);
  history.replaceState(null, '', url);
  clearTimeout(timer);
  timer = setTimeout(refresh, TYPING_DELAY);
}

search.value = new URLSearchParams(location.search).get('user') ?? '';
search.addEventListener('input', scheduleSearch);
find('#search', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  refresh();
});
document.addEventListener('visibilitychange', () => document.hidden || refresh());
refresh();
