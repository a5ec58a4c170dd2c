/** The figures, each with its chart if it has one. */
import { Chart } from './chart.js';
import { element } from './element.js';
import { count, date, short } from './words.js';

/** The charts' top at the least, so that a quiet server's is not a mountain range. */
const LEAST = { connections: 4, rooms: 4, relayed: 1, lag: 0.01 };

export class Tiles {
  #tiles = {};

  constructor() {
    for (const tile of document.querySelectorAll('[data-tile]')) {
      const name = tile.dataset.tile;
      const [figure, words] = [element('p', { class: 'figure' }), element('p', { class: 'words' })];
      tile.append(figure, words);
      this.#tiles[name] = { tile, figure, words, chart: name in LEAST ? new Chart(tile, LEAST[name]) : null };
    }
  }

  show(state) {
    const { history, calls } = state;
    // The last sample is of this moment: too short after the one before it for a mean.
    const whole = history.slice(0, -1);
    const pick = (samples, column) => samples.map((sample) => [sample[0], sample[column]]);
    this.#draw('connections', pick(history, 1), count, `of ${count(state.maxConnections)}`);
    this.#draw('rooms', pick(history, 2), count, `${calls.settled} settled, ${calls.negotiating} negotiating, ${calls.waiting} waiting`);
    this.#draw('relayed', rates(whole), count, `${count(state.relayed.message + state.relayed.candidate)} in all`);
    this.#draw('lag', pick(whole, 4), short, state.nodes?.length > 1 ? 'of the slowest node' : 'on the average');
    this.#write('answered', ...setUp(state));
    this.#write('certificate', ...certificate(state));
    this.#tiles.connections.tile.dataset.tone = state.connections > 0.8 * state.maxConnections ? 'bad' : '';
  }

  #draw(name, samples, format, words) {
    const highest = this.#tiles[name].chart.show(samples, format);
    const minutes = Math.max(1, Math.round((samples.at(-1)?.[0] - samples[0]?.[0]) / 60) || 1);
    this.#write(name, format(samples.at(-1)?.[1] ?? 0), `${words}; at most ${format(highest)} in ${minutes} min`);
  }

  #write(name, figure, words, tone = '') {
    const tile = this.#tiles[name];
    tile.figure.textContent = figure;
    tile.words.textContent = words;
    tile.tile.dataset.tone = tone;
  }
}

/** Messages a second between each two samples. */
function rates(history) {
  return history.slice(1).map(([at, , , relayed], index) => {
    const [before, , , relayedBefore] = history[index];
    return [at, (relayed - relayedBefore) / Math.max(at - before, 1)];
  });
}

function setUp({ answered }) {
  if (!answered.count) return ['none yet', 'from ready to the answer'];
  return [short(answered.median), `to the answer, the median of ${count(answered.count)}; 95 % within ${short(answered.p95)}`];
}

function certificate({ certificate: { notAfter, refused }, now }) {
  if (notAfter === null) return ['none', 'TLS is not ended here'];
  const days = Math.floor((notAfter - now) / 86_400);
  const words = refused ? 'The renewed one is broken and not used' : `until ${date(notAfter)}`;
  return [days < 0 ? 'ended' : `${count(days)} day${days === 1 ? '' : 's'}`, words, refused || days < 14 ? 'bad' : ''];
}
