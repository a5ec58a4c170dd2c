/** An icon of icons.svg, for the eye alone: the words beside it say the same. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.classList.add('icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', new URL(`icons.svg#${name}`, import.meta.url));
  svg.append(use);
  return svg;
}

/** Give a button its icon and its word. @param {HTMLButtonElement} button @param {string} name @param {string} word */
export function label(button, name, word) {
  const text = document.createElement('span');
  text.textContent = word;
  button.replaceChildren(icon(name), text);
}
