/** The operator's page: asks the server every two seconds and shows what it says. */
import { Calls } from './calls.js';
import { Nodes } from './nodes.js';
import { Side } from './side.js';
import { Tiles } from './tiles.js';
import { duration, time } from './words.js';

const INTERVAL = 2_000;
const PATIENCE = 10_000;
const TYPING = 250;

// A page whose address has a password in it may not ask by a relative one.
const base = `${location.origin}${location.pathname}`;
const tiles = new Tiles();
const calls = new Calls();
const nodes = new Nodes();
const side = new Side();
const search = document.querySelector('#user');
const status = document.querySelector('#status');
let latest = 0;
let answered = null;
let timer;

async function ask(path) {
  const response = await fetch(`${base}/${path}`, { signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Refused(response.status);
  return response.json();
}

class Refused extends Error {
  constructor(code) {
    super(code === 401 ? 'Signed out: reload the page' : `The server answers ${code}`);
  }
}

async function refresh() {
  clearTimeout(timer);
  const turn = ++latest;
  const user = search.value.trim();
  try {
    const [state, found] = await Promise.all([
      ask('state.json'),
      ask(`calls.json?user=${encodeURIComponent(user)}`),
    ]);
    // Somebody typed meanwhile.
    if (turn !== latest) return;
    answered = state.now;
    tiles.show(state);
    calls.show(found, state.now, user !== '');
    nodes.show(state);
    side.show(state);
    document.querySelector('#extras').textContent = `Version ${state.version}, up ${duration(state.uptime)}`;
    say(...health(state));
  } catch (error) {
    if (turn !== latest) return;
    const words = error instanceof Refused ? error.message : 'No answer';
    say(answered ? `${words}, last one at ${time(answered)}` : words, 'trouble');
  }
  if (!document.hidden) timer = setTimeout(refresh, INTERVAL);
}

function health({ draining, redis, nodes = [] }) {
  if (redis === 'down') return ['Redis is down: the figures of one node', 'trouble'];
  if (draining) return [nodes.length > 1 ? 'Draining: all nodes stop' : 'Draining: the worker stops', 'trouble'];
  const silent = nodes.filter(({ missing }) => missing).length;
  return silent ? [`Live, without ${silent} of ${nodes.length} nodes`, 'trouble'] : ['Live', 'connected'];
}

function say(words, state) {
  document.body.dataset.state = state;
  if (status.textContent !== words) status.textContent = words;
}

function find() {
  const url = new URL(base);
  if (search.value.trim()) url.searchParams.set('user', search.value.trim());
  history.replaceState(null, '', url);
  clearTimeout(timer);
  timer = setTimeout(refresh, TYPING);
}

search.value = new URLSearchParams(location.search).get('user') ?? '';
search.addEventListener('input', find);
document.querySelector('#search').addEventListener('submit', (event) => {
  event.preventDefault();
  refresh();
});
document.addEventListener('visibilitychange', () => document.hidden || refresh());
refresh();
