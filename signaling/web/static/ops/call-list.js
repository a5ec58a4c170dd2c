/** The open and the recent calls, each with a timeline that the operator can open. */
import { createElement, find } from '../common/dom.js';
import { formatDuration, formatTime } from '../common/format.js';
import { describeOutcome, describeStep } from './call-steps.js';

/** @typedef {import('./state.js').CallState} CallState */

export class CallList {
  /** @type {Map<number, CallItem>} by the number of the call */
  #items = new Map();

  /**
   * @param {import('./state.js').Calls} calls
   * @param {number} now Unix time in seconds
   * @param {boolean} filtered whether these are the calls of a search
   */
  show({ open, recent, most }, now, filtered) {
    const focused = document.activeElement;
    const numbers = new Set([...open, ...recent].map(({ number }) => number));
    for (const [number, item] of this.#items) {
      if (numbers.has(number)) continue;
      item.element.remove();
      this.#items.delete(number);
    }
    this.#fill('open', open, now, most, filtered);
    this.#fill('recent', recent, now, most, filtered);
    // A call that has ended moved to the other list. The keyboard's focus moves with it.
    if (focused !== document.activeElement && focused instanceof HTMLElement && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
  }

  /**
   * @param {'open' | 'recent'} id
   * @param {CallState[]} calls
   * @param {number} now
   * @param {number} most
   * @param {boolean} filtered
   */
  #fill(id, calls, now, most, filtered) {
    const list = find(`#${id}`, HTMLElement);
    calls.forEach((call, index) => {
      const item = this.#items.get(call.number) ?? new CallItem();
      this.#items.set(call.number, item);
      item.show(call, now);
      if (list.children[index] !== item.element) list.insertBefore(item.element, list.children[index] ?? null);
    });
    list.hidden = !calls.length;
    find(`#${id} + .none`, HTMLElement).hidden = calls.length > 0;
    const total = calls.length < most ? String(calls.length) : `the latest ${most}`;
    find(`#${id}-title .count`, HTMLElement).textContent = filtered ? `${total} found` : total;
  }
}

class CallItem {
  #chip = createElement('span', { class: 'chip' });
  #users = createElement('span', { class: 'users' });
  #time = createElement('span', { class: 'when' });
  #diagnosis = createElement('span', { class: 'diagnosis' });
  #timeline = createElement('table', { class: 'timeline' });
  element = createElement(
    'li',
    {},
    createElement(
      'details',
      {},
      createElement('summary', {}, this.#chip, this.#users, this.#time, this.#diagnosis),
      this.#timeline,
    ),
  );
  /** The call as JSON, so that only a change is drawn. */
  #shown = '';

  /**
   * @param {CallState} call
   * @param {number} now Unix time in seconds
   */
  show(call, now) {
    this.#time.textContent =
      call.ended === null
        ? `for ${formatDuration(now - call.began)}`
        : `${formatTime(call.began)}, for ${formatDuration(call.ended - call.began)}`;
    const shown = JSON.stringify(call);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const [text, tone] = describeOutcome(call);
    this.#chip.textContent = text;
    this.#chip.dataset.tone = tone;
    this.#users.replaceChildren(...createUsers(call));
    this.#diagnosis.textContent = call.diagnosis;
    this.#timeline.replaceChildren(...createTimeline(call));
  }
}

/**
 * Return the names of the two. An absent user is paler.
 * @param {CallState} call
 */
function createUsers({ users, present, ended }) {
  const [first, second] = users.map((user, index) =>
    createElement('span', ended === null && !present[index] ? { class: 'absent' } : {}, user),
  );
  const and = createElement('span', { class: 'unseen' }, ' and ');
  return [first, and, createElement('i', { 'aria-hidden': 'true' }, '↔'), second];
}

/**
 * Return the head and the body of a table with a column for each user and a row for each step.
 * @param {CallState} call
 */
function createTimeline({ users, began, steps, skipped }) {
  const rows = steps.map((step) => {
    const text = createElement('td', { class: step.what }, describeStep(step));
    const cells = step.user ? [createElement('td'), text] : [text, createElement('td')];
    const time = createElement('td', { class: 'at', title: formatTime(step.at) }, `+${(step.at - began).toFixed(2)} s`);
    return createElement('tr', {}, time, ...cells);
  });
  if (skipped) {
    const text = createElement('td', { colspan: '2' }, `${skipped} more steps`);
    rows.splice(-1, 0, createElement('tr', {}, createElement('td'), text));
  }
  const heads = [`Since ${formatTime(began)}`, ...users].map((head) => createElement('th', { scope: 'col' }, head));
  return [createElement('thead', {}, createElement('tr', {}, ...heads)), createElement('tbody', {}, ...rows)];
}
