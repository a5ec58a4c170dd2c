/**
 * The texts that the page shows for states, errors and results of the check.
 *
 * @typedef {import('./local-media.js').Kind} Kind
 * @typedef {import('./precall-check.js').CheckResult} CheckResult
 * @typedef {import('./precall-check.js').Outcome} Outcome
 */
import { CLOSE_CODES } from '../client/errors.js';

/**
 * The texts for error codes. The messages of the server are for developers; these are for users.
 * @type {Partial<Record<string, string>>}
 */
const ERRORS = {
  'self-connection': 'You cannot call yourself: the two names must differ',
  'unauthorized': 'The server did not let you in: open the page with a fresh link',
  'unavailable': 'The server cannot forward this at the moment',
  'rate-limited': 'Too many messages at once: please wait a moment',
  'origin-refused':
    'The server refuses this page. Its operator must list the address of the page in SIGNALING_ALLOWED_ORIGINS; '
    + 'a proxy must forward the Host header with its port',
  'message-too-long': 'This message is longer than the server allows',
  'track-ended': 'Your camera, microphone or screen has stopped',
  'replace-failed': 'The browser cannot send this camera or microphone',
  'negotiation-failed': 'The connection could not be changed, trying again',
  'ice-servers-failed': 'The server did not send its relays',
  'token-failed': 'No token for the server can be had at the moment, trying again',
  'buffer-full': 'Too many messages wait for the connection, and some are lost',
  'server-full': 'The server is full',
  'server-misconfigured': 'The server is not set up to hold calls: its operator finds the reason in its log',
  'address-limited': 'Too many connections come from your network',
  'restarting': 'The server is restarting',
};

const REPLACED = 'Disconnected: you joined from another tab or device';

/** @type {Partial<Record<number, string>>} by close code, for a call that has ended */
const CLOSED = {
  [CLOSE_CODES.POLICY_VIOLATION]: 'Disconnected: the server refused the connection',
  [CLOSE_CODES.REPLACED]: REPLACED,
  [CLOSE_CODES.UNAUTHORIZED]: 'Disconnected: the server did not let you in',
  [CLOSE_CODES.ENDED]: 'The call was ended',
};

/** @type {Partial<Record<number, string>>} by close code, for a connection that is opened again */
const DROPPED = {
  [CLOSE_CODES.RESTARTING]: 'The server is restarting, reconnecting',
  [CLOSE_CODES.TRY_AGAIN_LATER]: 'The server cannot accept you at the moment, trying again shortly',
};

/** @type {Record<'no-answer' | 'no-path', (peer: import('../client/signaling-events.js').UserId) => string>} */
const PROBLEMS = {
  'no-answer': (peer) =>
    `Still connecting: the page of ${peer} does not answer. Ask ${peer} to look at it, or to reload it`,
  'no-path': (peer) =>
    `Still connecting: a firewall or a VPN between you and ${peer} may block the call. `
    + 'Try another network; the operator can add a relay (TURN)',
};

const PATHS = { direct: ', connected directly', relay: ', connected by relay' };

/** @type {Record<Kind, string>} */
const DEVICE_NAMES = { audio: 'microphone', video: 'camera' };

/**
 * @param {Readonly<import('../client/status.js').Status>} status
 * @returns {string}
 */
export function describeStatus({ state, peer, signaling, reason, path, problem, retry, code, error }) {
  switch (state) {
    case 'idle':
      return 'Ready'; // The same as in index.html.
    case 'joining':
      if (!retry) return 'Connecting to the server';
      return describeDrop(retry) ?? 'The server cannot be reached, trying again';
    case 'waiting':
      if (reason === 'left') return `${peer} left. Waiting for ${peer} to come back`;
      if (reason === 'lost') return `${peer} lost the connection. Waiting for ${peer} to come back`;
      return `Waiting for ${peer}`;
    case 'connecting':
      return problem ? PROBLEMS[problem](peer) : `Connecting to ${peer}`;
    case 'connected':
      return `In a call with ${peer}${path ? PATHS[path] : ''}${describeExpiry(error ?? retry?.error)}`;
    case 'reconnecting':
      if (signaling === 'open') return `The connection to ${peer} is interrupted, reconnecting`;
      return (retry && describeDrop(retry)) ?? 'No connection to the server, reconnecting';
    case 'ended':
      // The text for this close code is better than the one for its error.
      if (code === CLOSE_CODES.REPLACED) return REPLACED;
      // The app wrote this sentence for the user.
      if (code === CLOSE_CODES.ENDED && error) return error.message;
      if (error) return describeError(error);
      return code ? (CLOSED[code] ?? 'Disconnected from the server') : 'You hung up';
  }
}

/** @param {{ code: string } | undefined} error */
function describeExpiry(error) {
  if (error?.code !== 'unauthorized') return '';
  return '. Your link has expired: open a fresh one in this tab, or an interruption ends the call';
}

/** @param {import('../client/signaling-events.js').Retry} retry */
function describeDrop({ code, error }) {
  return error ? `${describeError(error)}, trying again` : DROPPED[code];
}

/** @param {import('../client/errors.js').CallError} error */
export function describeError({ code, message }) {
  return ERRORS[code] ?? `The server says: ${message}`;
}

/**
 * @param {Partial<Record<Kind, Error | null>>} problems the errors of getUserMedia
 * @returns {string} for each problem what is wrong and what the user can do; empty without any
 */
export function describeProblems({ audio, video }) {
  if (audio && video && audio.name === video.name) return describeProblem('camera and microphone', audio);
  const texts = [];
  if (audio) texts.push(describeProblem(DEVICE_NAMES.audio, audio));
  if (video) texts.push(describeProblem(DEVICE_NAMES.video, video));
  return texts.join(' ');
}

/**
 * @param {string} device
 * @param {Error} error
 */
function describeProblem(device, { name, message }) {
  switch (name) {
    case 'NotAllowedError':
      // If the operating system forbids it, the browser's own settings cannot allow it.
      return /system/i.test(message)
        ? `The system does not let the browser use your ${device}. Allow it in the system's privacy settings.`
        : `This page may not use your ${device}. Allow it at the icon beside the page's address, then try again.`;
    case 'NotFoundError':
      return `No ${device} was found. Connect one, then try again.`;
    case 'NotReadableError':
    case 'AbortError':
      return `Your ${device} cannot be used now: another program may be using it. Close that program, then try again.`;
    case 'SecurityError':
      return `Browsers allow a ${device} on secure pages only. Open this page over https.`;
    default:
      return `Your ${device} cannot be used: ${message}.`;
  }
}

/**
 * @param {{ audio: boolean, video: boolean }} on which of its devices the peer has turned on
 * @param {string} peer
 * @returns {string} empty if both are on
 */
export function describePeerDevices({ audio, video }, peer) {
  const off = [];
  if (!video) off.push(DEVICE_NAMES.video);
  if (!audio) off.push(DEVICE_NAMES.audio);
  if (!off.length) return '';
  return `${possessive(peer)} ${off.join(' and ')} ${off.length > 1 ? 'are' : 'is'} off`;
}

/** @param {string} name */
function possessive(name) {
  return /s$/i.test(name) ? `${name}'` : `${name}'s`;
}

/** @type {Record<CheckResult['subject'], Record<string, (outcome: Outcome) => string | undefined>>} by cause */
const CHECK_RESULTS = {
  browser: {
    good: () => 'This browser can make video calls.',
    insecure: () => 'This page did not come over https. Open it over https.',
    old: () => 'This browser cannot make video calls. Use a current Chrome, Edge, Firefox or Safari.',
  },
  camera: {
    good: ({ label = '' }) => label,
    off: () => 'Your camera is off.',
    problem: ({ problem }) => problem && describeProblem('camera', problem),
  },
  microphone: {
    good: ({ label = '' }) => label,
    silent: ({ label }) => `${label} is silent. Say something. If it stays silent, choose another one.`,
    off: () => 'Your microphone is off.',
    problem: ({ problem }) => problem && describeProblem('microphone', problem),
  },
  server: {
    good: ({ milliseconds }) => `The server answers within ${milliseconds} ms.`,
    rejected: ({ error }) => error && `${describeError(error)}.`,
    unreachable: () =>
      'The server does not answer. Check that you are online; a company network or a proxy may block WebSockets.',
  },
  relay: {
    good: () => 'The relay is ready for networks that allow no direct connection.',
    none: () => 'This server offers no relay. Calls work where the two of you can reach each other directly.',
    unauthorized: () => 'The server gives its relays to users with a valid link only: open the page with a fresh link.',
    refused: () => 'The relay refuses its credentials. Tell the operator of this server.',
    unreachable: () => 'The relay does not answer. This network may block it: try another network, or without VPN.',
  },
};

/**
 * @param {CheckResult} result
 * @returns {string}
 */
export function describeCheckResult(result) {
  return CHECK_RESULTS[result.subject][result.cause](result) ?? '';
}

/** @param {Pick<CheckResult, 'verdict'>[]} results */
export function summarizeCheck(results) {
  const bad = results.filter(({ verdict }) => verdict === 'bad').length;
  if (bad) return bad > 1 ? `${bad} things need your attention.` : 'One thing needs your attention.';
  const doubtful = results.some(({ verdict }) => verdict === 'doubtful');
  return doubtful ? 'You can call. Mind the remark above.' : 'You are ready to call.';
}
