/** The nodes, worker processes that share the rooms; hidden if there is only one. */
import { createElement, find } from '../common/dom.js';
import { formatCount, formatDuration } from '../common/format.js';

export class NodeTable {
  #section = find('#nodes', HTMLElement);
  #rows = find('#nodes tbody', HTMLElement);

  /** @param {import('./state.js').State} state */
  show({ node, nodes }) {
    this.#section.hidden = !nodes;
    this.#rows.replaceChildren(...(nodes ?? []).map((each) => createRow(each, each.node === node)));
  }
}

/**
 * @param {import('./state.js').NodeState} node
 * @param {boolean} answers whether it answers this page
 */
function createRow({ node, connections, rooms, uptime, version, draining, missing }, answers) {
  const [text, tone] = missing ? ['No answer', 'bad'] : draining ? ['Draining', 'busy'] : ['Up', 'good'];
  const state = missing ? text : `${text}, ${formatDuration(uptime)}`;
  const chip = createElement('span', { class: 'chip', 'data-tone': tone }, state);
  const note = createElement('span', { class: 'note' }, `${version}${answers ? ', answers this page' : ''}`);
  return createElement(
    'tr',
    {},
    createElement('th', { scope: 'row' }, node, note, chip),
    createElement('td', {}, formatCount(connections)),
    createElement('td', {}, formatCount(rooms)),
  );
}
