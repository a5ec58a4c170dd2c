/** The list of what the pre-call check finds, and what the user can do about it. */
import { createElement, find } from '../common/dom.js';
import { createIcon } from './icon.js';
import { SUBJECTS, runCheck } from './precall-check.js';
import { describeCheckResult, summarizeCheck } from './user-messages.js';
import { say } from './words.js';

const SUBJECT_NAMES = {
  browser: say('Browser'),
  camera: say('Camera'),
  microphone: say('Microphone'),
  server: say('Server'),
  relay: say('Relay'),
};
const VERDICT_NAMES = {
  waiting: '',
  checking: say('is checked'),
  good: say('good'),
  doubtful: say('remark'),
  bad: say('problem'),
};

export class CheckResults {
  #list = find('#check-results', HTMLElement);
  #button = find('#check-start', HTMLButtonElement);
  #summary = find('#check-summary', HTMLElement);

  /** @param {import('./precall-check.js').CheckOptions} options */
  constructor(options) {
    this.#button.addEventListener('click', () => this.#run(options));
  }

  /** @param {import('./precall-check.js').CheckOptions} options */
  async #run(options) {
    if (this.#button.getAttribute('aria-disabled') === 'true') return;
    // The attribute `disabled` would take the keyboard's focus away.
    this.#button.setAttribute('aria-disabled', 'true');
    this.#summary.textContent = say('Checking');
    const rows = SUBJECTS.map((subject) => new Row(subject));
    this.#list.replaceChildren(...rows.map(({ element }) => element));
    this.#list.hidden = false;
    rows[0].update('checking');
    const results = [];
    for await (const result of runCheck(options)) {
      rows[results.length].update(result.verdict, describeCheckResult(result));
      results.push(result);
      rows[results.length]?.update('checking');
    }
    this.#summary.textContent = summarizeCheck(results);
    this.#button.textContent = say('Check again');
    this.#button.removeAttribute('aria-disabled');
  }
}

class Row {
  element = createElement('li');
  #name;
  #verdict = createElement('span', { class: 'unseen' });
  #text = createElement('p');

  /** @param {import('./precall-check.js').Subject} subject */
  constructor(subject) {
    this.#name = createElement('b', {}, SUBJECT_NAMES[subject]);
    this.update('waiting');
  }

  /**
   * @param {keyof VERDICT_NAMES} verdict also the name of its icon
   * @param {string} [text]
   */
  update(verdict, text = '') {
    this.element.dataset.verdict = verdict;
    this.element.replaceChildren(createIcon(verdict), this.#name, this.#verdict, this.#text);
    this.#verdict.textContent = VERDICT_NAMES[verdict] && `: ${VERDICT_NAMES[verdict]}`;
    this.#text.textContent = text;
  }
}
