/** The panel that shows how good the connection is, as it is now and over the last minute. */
import { Chart } from './chart.js';
import { bitrate, duration, grade, milliseconds, picture, share, size } from './figures.js';

const VERDICTS = {
  good: 'The connection is good.',
  fair: 'The connection is fair: picture and sound may stumble now and then.',
  poor: 'The connection is poor. A cable, or a place closer to the router, may help.',
};
const KINDS = { host: 'local address', srflx: 'public address', prflx: 'public address', relay: 'relay' };

export class QualityPanel {
  panel = document.querySelector('#quality');
  toggle = document.querySelector('#quality-toggle');
  #verdict = document.querySelector('#verdict');
  #flows = document.querySelector('#flows');
  #facts = document.querySelector('#facts');
  #chart = new Chart();
  #timer;
  /** @type {number | null} */
  #since = null;

  /** @param {import('../client/call.js').Call} call looked at once a second from now on */
  watch(call) {
    this.stop();
    this.#verdict.textContent = 'There is no connection yet.';
    this.#timer = setInterval(() => this.#look(call), 1000);
  }

  stop() {
    clearInterval(this.#timer);
    this.#since = null;
    this.#chart.clear();
    this.#flows.replaceChildren();
    this.#facts.replaceChildren();
  }

  async #look(call) {
    const quality = await call.quality();
    if (!quality || call.status.state === 'ended') return;
    this.#since ??= Date.now();
    const { sent, received, local, remote, path, roundTrip } = quality;
    this.#chart.push({ received: received.bitrate, sent: sent.bitrate }, bitrate);
    this.#say(grade(quality));
    this.#flows.replaceChildren(
      row('Bit rate', bitrate(received.bitrate), bitrate(sent.bitrate)),
      row('Lost', share(received.loss), share(sent.loss)),
      row('Picture', picture(received), picture(sent)),
      row('In all', size(received.bytes), size(sent.bytes)),
    );
    this.#facts.replaceChildren(
      ...fact('Round trip', milliseconds(roundTrip)),
      ...fact('Jitter', milliseconds(received.jitter)),
      ...fact('Path', path === 'relay' ? 'by relay' : 'direct'),
      ...fact('You', end(local)),
      ...fact('Peer', end(remote)),
      ...fact('Time', duration((Date.now() - this.#since) / 1000)),
    );
  }

  #say(verdict) {
    this.panel.dataset.grade = verdict;
    this.#verdict.textContent = VERDICTS[verdict];
  }
}

const end = ({ type, protocol }) => `${KINDS[type] ?? type}, ${protocol.toUpperCase()}`;

function row(name, ...values) {
  const line = document.createElement('tr');
  const head = document.createElement('th');
  head.scope = 'row';
  head.textContent = name;
  line.append(head, ...values.map((value) => text('td', value)));
  return line;
}

function fact(name, value) {
  return [text('dt', name), text('dd', value)];
}

function text(tag, words) {
  const element = document.createElement(tag);
  element.textContent = words;
  return element;
}
