/** The nodes, where there may be several: worker processes that share the rooms. */
import { element } from './element.js';
import { count, duration } from './words.js';

export class Nodes {
  #card = document.querySelector('#nodes');
  #rows = document.querySelector('#nodes tbody');

  /** @param {{node?: string, nodes?: object[]}} state */
  show({ node, nodes }) {
    this.#card.hidden = !nodes;
    this.#rows.replaceChildren(...(nodes ?? []).map((one) => row(one, one.node === node)));
  }
}

function row({ node, connections, rooms, uptime, version, draining, missing }, answers) {
  const [word, tone] = missing ? ['No answer', 'bad'] : draining ? ['Draining', 'busy'] : ['Up', 'good'];
  const chip = element('span', { class: 'chip', 'data-tone': tone }, `${word}${missing ? '' : `, ${duration(uptime)}`}`);
  const about = element('span', { class: 'words' }, `${version}${answers ? ', answers this page' : ''}`);
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, node, about, chip),
    element('td', {}, count(connections)),
    element('td', {}, count(rooms)),
  );
}
