/**
 * The errors of a call, as values. Each has a code of the protocol's catalogue, even if the server sends no codes.
 *
 * @typedef {object} CallError
 * @property {string} code one of the error codes in docs/protocol.md or docs/client.md
 * @property {string} message a sentence in English, for a log
 */

/** The WebSocket close codes that this client acts on: RFC 6455, section 7.4, and from 4000 on docs/protocol.md. */
export const CLOSE_CODES = Object.freeze({
  NORMAL: 1000,
  ABNORMAL: 1006,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_LONG: 1009,
  RESTARTING: 1012,
  TRY_AGAIN_LATER: 1013,
  REPLACED: 4001,
  UNAUTHORIZED: 4003,
  /** The app of the server ended the call, or the connection of this user. */
  ENDED: 4004,
  /** The other end missed its heartbeats. */
  HEARTBEAT_MISSED: 4008,
});

/** How the messages of the Node.js server begin, which sends no codes. */
const NODE_MESSAGES = [
  { start: 'Missing required parameters', code: 'missing-parameters' },
  { start: 'User cannot connect to themselves', code: 'self-connection' },
  { start: 'You have been disconnected due to a new connection', code: 'replaced' },
];

/** @type {Map<string, number>} the close codes of the errors after which the server closes for good, by error code */
const FINAL_CLOSE_CODES = new Map([
  ['self-connection', CLOSE_CODES.POLICY_VIOLATION],
  ['replaced', CLOSE_CODES.REPLACED],
  ['unauthorized', CLOSE_CODES.UNAUTHORIZED],
  ['ended', CLOSE_CODES.ENDED],
]);

/**
 * Return an error of the server with a code; `unknown` if the server sent none and the message tells none.
 * @param {{ code?: string, message?: string }} error
 * @returns {CallError}
 */
export function normalizeError({ code, message = '' }) {
  const known = NODE_MESSAGES.find(({ start }) => message.startsWith(start));
  return { code: code ?? known?.code ?? 'unknown', message };
}

/**
 * Return the close code that forbids a reconnect, or undefined. A reconnect would be refused again, or would replace
 * the connection that has just replaced this one. A server without codes closes with any close code; its error decides.
 * @param {number} closeCode
 * @param {CallError | undefined} error the last error of the server on this connection
 * @returns {number | undefined}
 */
export function finalCloseCode(closeCode, error) {
  return [...FINAL_CLOSE_CODES.values()].includes(closeCode) ? closeCode : FINAL_CLOSE_CODES.get(error?.code ?? '');
}

/** An operation that cannot be done. Callers get it as an `error` event, since no public method throws. */
export class OperationError extends Error {
  /**
   * @param {string} code one of the error codes in docs/client.md
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Return the message of anything that was thrown. JavaScript allows to throw any value, even undefined.
 * @param {any} thrown
 * @returns {string}
 */
export function errorMessage(thrown) {
  return String(thrown?.message || thrown || 'No reason was given');
}
