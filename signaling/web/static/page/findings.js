/** The list of the pre-call check: what is being looked at, what was found, and what to do about it. */
import { check, SUBJECTS } from './check.js';
import { describeFinding, summarise } from './words.js';
import { icon } from './icon.js';

const NAMES = { browser: 'Browser', camera: 'Camera', microphone: 'Microphone', server: 'Server', relay: 'Relay' };
const VERDICTS = { waiting: '', checking: 'is checked', good: 'good', doubtful: 'remark', bad: 'problem' };

export class Findings {
  #list = document.querySelector('#findings');
  #button = document.querySelector('#check-start');
  #summary = document.querySelector('#check-summary');

  /** @param {Parameters<typeof check>[0]} means */
  constructor(means) {
    this.#button.addEventListener('click', () => this.#run(means));
  }

  async #run(means) {
    if (this.#button.getAttribute('aria-disabled') === 'true') return;
    // Not `disabled`: that would take the keyboard's focus away.
    this.#button.setAttribute('aria-disabled', 'true');
    this.#summary.textContent = 'Checking';
    const rows = SUBJECTS.map((subject) => row(subject));
    this.#list.replaceChildren(...rows.map(({ element }) => element));
    this.#list.hidden = false;
    rows[0].says('checking');
    const findings = [];
    for await (const finding of check(means)) {
      rows[findings.length].says(finding.verdict, describeFinding(finding));
      findings.push(finding);
      rows[findings.length]?.says('checking');
    }
    this.#summary.textContent = summarise(findings);
    this.#button.textContent = 'Check again';
    this.#button.removeAttribute('aria-disabled');
  }
}

function row(subject) {
  const element = document.createElement('li');
  const [name, verdict, words] = ['b', 'span', 'p'].map((tag) => document.createElement(tag));
  name.textContent = NAMES[subject];
  verdict.className = 'unseen';
  const says = (state, sentence = '') => {
    element.dataset.verdict = state;
    element.replaceChildren(icon(state), name, verdict, words);
    verdict.textContent = VERDICTS[state] && `: ${VERDICTS[state]}`;
    words.textContent = sentence;
  };
  says('waiting');
  return { element, says };
}
