/** The calls, those that go on and those that are over, each with its timeline to open. */
import { element } from './element.js';
import { duration, outcome, step, time } from './words.js';

export class Calls {
  #shown = new Map();

  /** @param {{open: object[], recent: object[], most: number}} calls @param {number} now @param {boolean} filtered */
  show({ open, recent, most }, now, filtered) {
    const focused = document.activeElement;
    const numbers = new Set([...open, ...recent].map(({ number }) => number));
    for (const [number, call] of this.#shown) {
      if (numbers.has(number)) continue;
      call.item.remove();
      this.#shown.delete(number);
    }
    this.#list('open', open, now, most, filtered);
    this.#list('recent', recent, now, most, filtered);
    // A call that is over is now in the other list, and whoever reads it with it.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }

  #list(id, calls, now, most, filtered) {
    const list = document.getElementById(id);
    calls.forEach((call, at) => {
      let shown = this.#shown.get(call.number);
      if (!shown) this.#shown.set(call.number, (shown = new Shown()));
      shown.show(call, now);
      if (list.children[at] !== shown.item) list.insertBefore(shown.item, list.children[at] ?? null);
    });
    list.hidden = !calls.length;
    list.nextElementSibling.hidden = calls.length > 0;
    const total = calls.length < most ? calls.length : `the latest ${most}`;
    document.querySelector(`#${id}-title .count`).textContent = filtered ? `${total} found` : total;
  }
}

class Shown {
  #chip = element('span', { class: 'chip' });
  #users = element('span', { class: 'users' });
  #when = element('span', { class: 'when' });
  #diagnosis = element('span', { class: 'diagnosis' });
  #details = element(
    'details',
    {},
    element('summary', {}, this.#chip, this.#users, this.#when, this.#diagnosis),
  );
  #timeline = null;
  #known = '';
  item = element('li', {}, this.#details);

  show(call, now) {
    this.#when.textContent =
      call.ended === null
        ? `for ${duration(now - call.began)}`
        : `${time(call.began)}, for ${duration(call.ended - call.began)}`;
    const known = JSON.stringify(call);
    if (known === this.#known) return;
    this.#known = known;
    const [word, tone] = outcome(call);
    this.#chip.textContent = word;
    this.#chip.dataset.tone = tone;
    this.#users.replaceChildren(...names(call));
    this.#diagnosis.textContent = call.diagnosis;
    const timeline = draw(call);
    if (this.#timeline) this.#timeline.replaceWith(timeline);
    else this.#details.append(timeline);
    this.#timeline = timeline;
  }
}

/** Who is not there is paler. */
function names({ users, present, ended }) {
  const [first, second] = users.map((user, at) =>
    element('span', ended === null && !present[at] ? { class: 'absent' } : {}, user),
  );
  return [first, element('span', { class: 'unseen' }, ' and '), element('i', { 'aria-hidden': 'true' }, '↔'), second];
}

/** A column for each of the two, a row for each step. */
function draw({ users, began, steps, skipped }) {
  const rows = steps.map((one) => {
    const said = element('td', { class: one.what }, step(one));
    const cells = one.user ? [element('td'), said] : [said, element('td')];
    const at = element('td', { class: 'at', title: time(one.at) }, `+${(one.at - began).toFixed(2)} s`);
    return element('tr', {}, at, ...cells);
  });
  if (skipped) {
    rows.splice(-1, 0, element('tr', {}, element('td'), element('td', { colspan: '2' }, `${skipped} more steps`)));
  }
  const heads = [`Since ${time(began)}`, ...users].map((words) => element('th', { scope: 'col' }, words));
  return element('table', { class: 'timeline' }, element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...rows));
}
