/**
 * A chart of lines in an SVG. The style sheet stretches it to the size it needs.
 *
 * @typedef {readonly [x: number, y: number]} Point
 */
import { createSvg } from './dom.js';

const [WIDTH, HEIGHT] = [300, 100];
/** Above and below the lines, lest their width is cut off. */
const MARGIN = 3;

export class LineChart {
  #svg;
  /** @type {Map<string, SVGPolylineElement>} */
  #lines = new Map();
  /** @type {SVGPolygonElement | null} the area below the only line */
  #area = null;

  /**
   * @param {SVGSVGElement} svg it is filled
   * @param {string[]} names of the lines; each is the class of its line
   * @param {{ filled?: boolean }} [options] whether the area below the only line has the class `area`
   */
  constructor(svg, names, { filled = false } = {}) {
    this.#svg = svg;
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('role', 'img');
    if (filled) svg.append((this.#area = createSvg('polygon', { class: 'area' })));
    for (const name of names) {
      const line = createSvg('polyline', { class: name, fill: 'none' });
      this.#lines.set(name, line);
      svg.append(line);
    }
  }

  /**
   * @param {Record<string, Point[]>} series the points of each line, in the order of x
   * @param {object} scale
   * @param {number} scale.from the x of the left edge
   * @param {number} scale.to the x of the right edge
   * @param {number} scale.top the y of the upper edge; the lower edge is 0
   * @param {string} label what the chart shows, in words
   */
  draw(series, { from, to, top }, label) {
    for (const [name, line] of this.#lines) {
      const points = series[name].map(([x, y]) => {
        const left = to > from ? ((x - from) / (to - from)) * WIDTH : WIDTH;
        return `${left.toFixed(1)},${(HEIGHT - MARGIN - (y / top) * (HEIGHT - 2 * MARGIN)).toFixed(1)}`;
      });
      line.setAttribute('points', points.join(' '));
      this.#area?.setAttribute('points', [`0,${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(' '));
    }
    this.#svg.setAttribute('aria-label', label);
  }

  /** @param {string} label */
  clear(label) {
    this.#svg.setAttribute('aria-label', label);
    for (const line of this.#lines.values()) line.removeAttribute('points');
    this.#area?.removeAttribute('points');
  }
}
