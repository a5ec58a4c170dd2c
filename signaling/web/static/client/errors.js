/**
 * Errors are values, and each has a code of the protocol's catalogue, with a server that sends no codes as well.
 *
 * @typedef {{ code: string, message: string }} CallError
 */

/** The sentences of the Node.js server, which has no codes. */
const SENTENCES = [
  { start: 'Missing required parameters', code: 'missing-parameters' },
  { start: 'User cannot connect to themselves', code: 'self-connection' },
  { start: 'You have been disconnected due to a new connection', code: 'replaced' },
];

/** The errors after which the server closes the connection for good, and the close code that says the same. */
const FINAL = new Map([['self-connection', 1008], ['replaced', 4001], ['unauthorized', 4003]]);

/**
 * @param {{ code?: string, message?: string }} error
 * @returns {CallError}
 */
export function coded({ code, message = '' }) {
  return { code: code ?? SENTENCES.find(({ start }) => message.startsWith(start))?.code ?? 'unknown', message };
}

/**
 * The close code after which there is no coming back, which would be refused again, or would throw out the very
 * connection that replaced this one. A server without codes closes with any.
 * @param {number} closeCode
 * @param {CallError | undefined} error the server's last one
 * @returns {number | undefined}
 */
export function finalCode(closeCode, error) {
  return [...FINAL.values()].includes(closeCode) ? closeCode : FINAL.get(error?.code ?? '');
}

/** What was asked for and cannot be done, with a code. Callers get it as an `error` event: no method throws. */
export class OperationError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {unknown} thrown whatever it was: a program may throw or reject with nothing */
export function messageOf(thrown) {
  return String(/** @type {any} */ (thrown)?.message || thrown || 'No reason was given');
}
