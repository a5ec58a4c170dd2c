/**
 * One WebSocket that carries JSON messages. Each reconnect needs a new one.
 *
 * @typedef {{ type: string, code?: string, message?: string, resume?: string, [field: string]: any }} Message
 */
export class MessageSocket {
  #socket;

  /**
   * @param {string | URL} url
   * @param {typeof globalThis.WebSocket} WebSocket
   * @param {object} listeners
   * @param {() => void} listeners.onOpen
   * @param {(message: Message) => void} listeners.onMessage
   * @param {(code: number) => void} listeners.onClose called with the WebSocket close code, but not after `detach`
   */
  constructor(url, WebSocket, { onOpen, onMessage, onClose }) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => onOpen();
    this.#socket.onmessage = ({ data }) => onMessage(JSON.parse(data));
    this.#socket.onclose = ({ code }) => onClose(code);
    // The `close` event says as much. Outside of browsers, an error without a listener ends the process.
    this.#socket.onerror = () => {};
  }

  get isOpen() {
    return this.#socket.readyState === 1;
  }

  /** @param {object} message for the server; it is dropped unless the socket is open */
  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** @param {number} code the WebSocket close code */
  close(code) {
    this.#socket.close(code);
  }

  /** Call no listener any more. */
  detach() {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
  }
}
