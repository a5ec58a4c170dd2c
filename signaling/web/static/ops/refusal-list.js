/** The latest refusals of connections and joins. */
import { createElement, find } from '../common/dom.js';
import { formatTime } from '../common/format.js';

const MAX_REFUSALS = 12;

export class RefusalList {
  #list = find('#refusals', HTMLElement);
  #none = find('#refusals + .none', HTMLElement);

  /** @param {import('./state.js').State} state */
  show({ refusals }) {
    const items = refusals
      .slice(0, MAX_REFUSALS)
      .map(({ at, words }) =>
        createElement('li', {}, createElement('time', {}, formatTime(at)), createElement('span', {}, words)),
      );
    this.#list.replaceChildren(...items);
    this.#list.hidden = !items.length;
    this.#none.hidden = items.length > 0;
  }
}
