/** The chat of the two users. It goes from browser to browser and is kept nowhere. */
import { createElement, find } from '../common/dom.js';
import { clearNotice, showNotice } from './notice.js';
import { say } from './words.js';

export class Chat {
  #panel = find('#chat', HTMLElement);
  #messages = find('#messages', HTMLElement);
  #form = find('#chat-form', HTMLFormElement);
  #text = find('#chat-text', HTMLInputElement);
  #unread = find('#unread', HTMLElement);
  #unreadCount = find('#unread-count', HTMLElement);
  #peer = '';
  /** @type {(text: string) => boolean} */
  #send = () => false;

  constructor() {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /**
   * Begin a call. The messages stay if the last call was with the same peer.
   * @param {string} peer
   * @param {(text: string) => boolean} send returns whether the text was sent
   */
  open(peer, send) {
    if (peer !== this.#peer) this.#messages.replaceChildren();
    this.#peer = peer;
    this.#send = send;
    this.#setUnread(0);
  }

  /** @param {string} text of the peer */
  receive(text) {
    this.#add(this.#peer, text, 'theirs');
    if (!this.#panel.hidden) return;
    this.#setUnread(Number(this.#unreadCount.textContent) + 1);
    showNotice(`${this.#peer}: ${text}`);
  }

  /** Note that the user sees the messages. */
  markRead() {
    if (!this.#unread.hidden) clearNotice();
    this.#setUnread(0);
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text) return;
    if (!this.#send(text)) {
      showNotice(say('Not sent: {peer} is not connected.', { peer: this.#peer }));
      return;
    }
    this.#add(say('You'), text, 'mine');
    this.#text.value = '';
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {'mine' | 'theirs'} whose
   */
  #add(name, text, whose) {
    const time = new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const head = createElement('b', {}, name, ' ', createElement('time', {}, time));
    this.#messages.append(createElement('p', { class: whose }, head, createElement('span', {}, text)));
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  /** @param {number} count */
  #setUnread(count) {
    this.#unreadCount.textContent = String(count);
    this.#unread.hidden = count === 0;
  }
}
