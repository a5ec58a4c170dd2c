/** One line over the last minutes, with its area below. */
const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [240, 48];

export class Chart {
  #svg = document.createElementNS(SVG, 'svg');
  #area = document.createElementNS(SVG, 'path');
  #line = document.createElementNS(SVG, 'path');

  /** @param {HTMLElement} parent @param {number} least the top of the scale at the least */
  constructor(parent, least) {
    this.least = least;
    this.#svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    this.#area.setAttribute('class', 'area');
    this.#line.setAttribute('class', 'line');
    this.#svg.append(this.#area, this.#line);
    parent.append(this.#svg);
  }

  /**
   * @param {[number, number][]} samples when, in seconds, and what, oldest first
   * @param {(value: number) => string} format
   * @returns {number} the highest of them
   */
  show(samples, format) {
    const highest = samples.reduce((most, [, value]) => Math.max(most, value), 0);
    const top = Math.max(this.least, highest);
    const [from, to] = [samples[0]?.[0] ?? 0, samples.at(-1)?.[0] ?? 0];
    const points = samples.map(([at, value]) => {
      const x = to > from ? ((at - from) / (to - from)) * WIDTH : WIDTH;
      return `${x.toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`;
    });
    this.#line.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '');
    this.#area.setAttribute('d', points.length > 1 ? `M0 ${HEIGHT}L${points.join('L')}L${WIDTH} ${HEIGHT}Z` : '');
    this.#svg.setAttribute(
      'aria-label',
      `The last ${Math.max(1, Math.round((to - from) / 60))} min: now ${format(samples.at(-1)?.[1] ?? 0)}, at most ${format(highest)}`,
    );
    return highest;
  }
}
