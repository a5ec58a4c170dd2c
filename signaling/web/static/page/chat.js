/** What the two write to each other. It goes from browser to browser and is kept nowhere. */
import { notice } from './notice.js';

export class Chat {
  panel = document.querySelector('#chat');
  toggle = document.querySelector('#chat-toggle');
  #messages = document.querySelector('#messages');
  #form = document.querySelector('#chat-form');
  #text = document.querySelector('#chat-text');
  #unread = document.querySelector('#unread');
  #unreadCount = document.querySelector('#unread-count');
  #peer = '';
  #send = () => false;

  constructor() {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {string} peer @param {(text: string) => boolean} send */
  open(peer, send) {
    if (peer !== this.#peer) this.#messages.replaceChildren();
    this.#peer = peer;
    this.#send = send;
    this.#count(0);
  }

  /** @param {string} text what the peer wrote */
  receive(text) {
    this.#add(this.#peer, text, 'theirs');
    if (!this.panel.hidden) return;
    this.#count(Number(this.#unreadCount.textContent) + 1);
    notice(`${this.#peer}: ${text}`);
  }

  read() {
    if (!this.#unread.hidden) notice('');
    this.#count(0);
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text) return;
    if (!this.#send(text)) {
      notice(`Not sent: ${this.#peer} is not connected.`);
      return;
    }
    this.#add('You', text, 'mine');
    this.#text.value = '';
  }

  #add(name, text, whose) {
    const message = document.createElement('p');
    message.className = whose;
    const head = document.createElement('b');
    head.textContent = name;
    const time = document.createElement('time');
    time.textContent = new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const body = document.createElement('span');
    body.textContent = text;
    head.append(' ', time);
    message.append(head, body);
    this.#messages.append(message);
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  #count(unread) {
    this.#unreadCount.textContent = unread;
    this.#unread.hidden = unread === 0;
  }
}
