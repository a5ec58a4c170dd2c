/** The panels beside the picture, of which one at a time is open. */
export class Panels {
  /** @type {{panel: HTMLElement, toggle: HTMLElement, opened?: () => void} | null} */
  #current = null;

  constructor() {
    addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.close();
    });
  }

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} toggle the button that opens and closes it
   * @param {() => void} [opened]
   */
  add(panel, toggle, opened) {
    const entry = { panel, toggle, opened };
    toggle.addEventListener('click', () => (this.#current?.panel === panel ? this.close() : this.#open(entry)));
    panel.querySelector('[data-close]').addEventListener('click', () => this.close());
  }

  /** @param {HTMLElement} panel */
  isOpen(panel) {
    return this.#current?.panel === panel;
  }

  /** The keyboard's focus goes back to where the panel was opened from. */
  close() {
    if (!this.#current) return;
    const { panel, toggle } = this.#current;
    const focused = panel.contains(document.activeElement);
    panel.hidden = true;
    toggle.setAttribute('aria-expanded', 'false');
    this.#current = null;
    if (focused) toggle.focus();
  }

  #open(entry) {
    this.close();
    entry.panel.hidden = false;
    entry.toggle.setAttribute('aria-expanded', 'true');
    this.#current = entry;
    entry.opened?.();
    (entry.panel.querySelector('input, select') ?? entry.panel.querySelector('[data-close]')).focus();
  }
}
