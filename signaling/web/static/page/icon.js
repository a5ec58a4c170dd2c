/** Icons of icons.svg. They are hidden from screen readers, since the words beside them say the same. */
import { createElement, createSvg } from '../common/dom.js';

/** @param {string} name */
export function createIcon(name) {
  const use = createSvg('use', { href: new URL(`icons.svg#${name}`, import.meta.url).href });
  return createSvg('svg', { class: 'icon', 'aria-hidden': 'true' }, use);
}

/**
 * Give a button its icon and its label.
 * @param {HTMLButtonElement} button
 * @param {string} icon
 * @param {string} label
 */
export function labelButton(button, icon, label) {
  button.replaceChildren(createIcon(icon), createElement('span', {}, label));
}
