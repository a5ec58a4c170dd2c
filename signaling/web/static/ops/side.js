/** Who was refused, and what there was how often since the start. */
import { element } from './element.js';
import { count, short, time } from './words.js';

const MOST_REFUSALS = 12;

export class Side {
  #refusals = document.querySelector('#refusals');
  #totals = document.querySelector('#totals tbody');

  show(state) {
    this.#refusals.replaceChildren(
      ...state.refusals
        .slice(0, MOST_REFUSALS)
        .map(({ at, words }) => element('li', {}, element('time', {}, time(at)), element('span', {}, words))),
    );
    this.#refusals.hidden = !state.refusals.length;
    this.#refusals.nextElementSibling.hidden = state.refusals.length > 0;
    this.#totals.replaceChildren(...totals(state).map(([what, value]) => row(what, value)));
  }
}

function totals(state) {
  const named = (prefix, values) => Object.entries(values).map(([name, value]) => [`${prefix} ${name}`, count(value)]);
  const sum = (values) => count(Object.values(values).reduce((total, value) => total + value, 0));
  return [
    ['Joins', count(state.joins)],
    ['Candidates passed on', count(state.relayed.candidate)],
    ['Other messages passed on', count(state.relayed.message)],
    ['Connections refused', sum(state.refused)],
    ...named('Refused:', state.refused),
    ...named('Error', state.errors),
    ...named('Closed with', state.closes),
    ['Last candidate, median', state.settled.count ? short(state.settled.median) : 'none yet'],
    ['Slow readers now', count(state.slowConnections)],
    ['Heartbeat round trip, median', state.roundTrip.count ? short(state.roundTrip.median) : 'none yet'],
  ];
}

function row(what, value) {
  return element('tr', {}, element('th', { scope: 'row' }, what), element('td', {}, value));
}
