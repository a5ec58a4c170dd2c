/** The panels beside the picture. At most one of them is open. */
import { createElement, find } from '../common/dom.js';
import { createIcon } from './icon.js';
import { say } from './words.js';

/**
 * @typedef {object} Panel
 * @property {HTMLElement} element
 * @property {HTMLElement} toggle the button that opens and closes it
 * @property {() => void} [onOpen]
 */

export class Panels {
  /** @type {Panel | null} */
  #open = null;

  constructor() {
    addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.close();
    });
  }

  /**
   * Add the panel `#<id>`, with its button `#<id>-toggle`, and give it a head with a button that closes it.
   * @param {string} id
   * @param {string} title
   * @param {() => void} [onOpen]
   */
  add(id, title, onOpen) {
    const panel = { element: find(`#${id}`, HTMLElement), toggle: find(`#${id}-toggle`, HTMLButtonElement), onOpen };
    const heading = createElement('h2', { id: `${id}-title` }, title);
    const label = createElement('span', {}, say('Close'));
    const attributes = { class: 'tool', type: 'button', 'data-close': '' };
    const button = createElement('button', attributes, createIcon('close'), label);
    panel.element.prepend(createElement('div', { class: 'panel-head' }, heading, button));
    panel.element.setAttribute('aria-labelledby', heading.id);
    panel.toggle.addEventListener('click', () => (this.#open === panel ? this.close() : this.#show(panel)));
    button.addEventListener('click', () => this.close());
  }

  /** Close the open panel, if any. The keyboard's focus goes back to the button that opened it. */
  close() {
    if (!this.#open) return;
    const { element, toggle } = this.#open;
    const focused = element.contains(document.activeElement);
    element.hidden = true;
    toggle.setAttribute('aria-expanded', 'false');
    this.#open = null;
    if (focused) toggle.focus();
  }

  /** @param {Panel} panel */
  #show(panel) {
    this.close();
    panel.element.hidden = false;
    panel.toggle.setAttribute('aria-expanded', 'true');
    this.#open = panel;
    panel.onOpen?.();
    const field = panel.element.querySelector('input, select');
    (field instanceof HTMLElement ? field : find('[data-close]', HTMLElement, panel.element)).focus();
  }
}
