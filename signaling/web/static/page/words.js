/** What the page says, in one place: states, errors and findings as sentences for a person. */

/** The server's own messages are sentences already; these speak to the person instead of the program. */
const ERRORS = {
  'self-connection': 'You cannot call yourself: the two names must differ',
  'unauthorized': 'The server did not let you in: open the page with a fresh link',
  'unavailable': 'The server cannot pass this on at the moment',
  'rate-limited': 'Too many messages at once: please wait a moment',
  'origin-refused':
    'The server refuses this page. Its operator must list the address of the page in SIGNALING_ALLOWED_ORIGINS; '
    + 'a proxy must pass the Host header on with its port',
  'message-too-long': 'That was more than the server takes in one message',
  'track-ended': 'Your camera, microphone or screen has stopped',
  'replace-failed': 'The browser cannot send this camera or microphone',
  'negotiation-failed': 'The connection could not be changed, trying again',
  'ice-servers-failed': 'The server does not tell its relays',
  'token-failed': 'There is no token for the server at the moment, trying again',
  'buffer-full': 'Too much waits for the connection: some of it is lost',
  'server-full': 'The server is full',
  'address-limited': 'Too many connections come from your network',
  'restarting': 'The server is restarting',
};

const CLOSED = {
  1008: 'Disconnected: the server refused the connection',
  4001: 'Disconnected: you joined from another tab or device',
  4003: 'Disconnected: the server did not let you in',
};

const DROPPED = {
  1012: 'The server is restarting, reconnecting',
  1013: 'The server cannot take you at the moment, trying again shortly',
};

const PROBLEMS = {
  'no-answer': (peer) => `Still connecting: the page of ${peer} does not answer. Ask ${peer} to look at it, or to reload it`,
  'no-path': (peer) =>
    `Still connecting: a firewall or a VPN between you and ${peer} may block the call. `
    + 'Try another network; the operator can add a relay (TURN)',
};

const PATHS = { direct: ', connected directly', relay: ', connected by relay' };

const THINGS = { audio: 'microphone', video: 'camera' };

/** @param {import('../client/status.js').Status} status */
export function describeStatus({ state, peer, signaling, reason, path, problem, retry, code, error }) {
  switch (state) {
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
      return `In a call with ${peer}${PATHS[path] ?? ''}${expired(error ?? retry?.error)}`;
    case 'reconnecting':
      if (signaling === 'open') return `The connection to ${peer} is interrupted, reconnecting`;
      return (retry && describeDrop(retry)) ?? 'No connection to the server, reconnecting';
    case 'ended':
      // What a replaced connection is told as an error is what its close code says better.
      if (code === 4001) return CLOSED[4001];
      if (error) return describeError(error);
      return code ? CLOSED[code] ?? 'Disconnected from the server' : 'You hung up';
  }
}

/** @param {{code: string} | undefined} error */
function expired(error) {
  return error?.code === 'unauthorized' ? '. Your link has expired: open a fresh one in this tab, or an interruption ends the call' : '';
}

/** @param {import('../client/signaling-events.js').Retry} retry */
function describeDrop({ code, error }) {
  return error ? `${describeError(error)}, trying again` : DROPPED[code];
}

/** @param {{code: string, message: string}} error */
export function describeError({ code, message }) {
  return ERRORS[code] ?? `The server says: ${message}`;
}

/**
 * @param {Partial<Record<import('./local-media.js').Kind, Error | null>>} problems what getUserMedia was rejected with
 * @returns {string} what is wrong and what to do, in a sentence each; empty when nothing is wrong
 */
export function describeProblems({ audio, video }) {
  if (audio && video && audio.name === video.name) return describeProblem('camera and microphone', audio);
  const each = Object.entries({ audio, video }).filter(([, error]) => error);
  return each.map(([kind, error]) => describeProblem(THINGS[kind], error)).join(' ');
}

function describeProblem(thing, { name, message }) {
  switch (name) {
    case 'NotAllowedError':
      // What the operating system forbids, the browser's own settings cannot allow.
      return /system/i.test(message)
        ? `The system does not let the browser use your ${thing}. Allow it in the system's privacy settings.`
        : `This page may not use your ${thing}. Allow it at the icon beside the page's address, then try again.`;
    case 'NotFoundError':
      return `No ${thing} was found. Connect one, then try again.`;
    case 'NotReadableError':
    case 'AbortError':
      return `Your ${thing} cannot be used just now: it may be in use by another program. Close that, then try again.`;
    case 'SecurityError':
      return `Browsers give a ${thing} to safe pages only. Open this page over https.`;
    default:
      return `Your ${thing} cannot be used: ${message}.`;
  }
}

/** @param {{audio: boolean, video: boolean}} on what the peer has switched on @param {string} peer */
export function describePeerDevices({ audio, video }, peer) {
  const off = Object.entries({ video, audio }).filter(([, on]) => !on).map(([kind]) => THINGS[kind]);
  if (!off.length) return '';
  return `${possessive(peer)} ${off.join(' and ')} ${off.length > 1 ? 'are' : 'is'} off`;
}

const possessive = (name) => (/s$/i.test(name) ? `${name}'` : `${name}'s`);

const FINDINGS = {
  browser: {
    good: () => 'This browser can make video calls.',
    insecure: () => 'This page did not come over https. Open it over https.',
    old: () => 'This browser cannot make video calls. Use a current Chrome, Edge, Firefox or Safari.',
  },
  camera: {
    good: ({ label }) => label,
    problem: ({ error }) => describeProblem('camera', error),
  },
  microphone: {
    good: ({ label }) => label,
    silent: ({ label }) => `${label} is silent. Say something; if that changes nothing, choose another one.`,
    problem: ({ error }) => describeProblem('microphone', error),
  },
  server: {
    good: ({ milliseconds }) => `The server answers within ${milliseconds} ms.`,
    rejected: ({ error }) => `${describeError(error)}.`,
    unreachable: () =>
      'The server does not answer. See if you are online; a company network or a proxy may block WebSockets.',
  },
  relay: {
    good: () => 'The relay is ready for networks that allow no direct connection.',
    none: () => 'This server offers no relay. Calls work where the two of you can reach each other directly.',
    unauthorized: () => 'The server tells its relays to those alone whom it lets in: open the page with a fresh link.',
    refused: () => 'The relay refuses its credentials. Tell whoever runs this server.',
    unreachable: () => 'The relay does not answer. This network may block it: try another network, or without VPN.',
  },
};

/** @param {import('./check.js').Finding} finding */
export function describeFinding({ about, what, ...details }) {
  return FINDINGS[about][what](details);
}

/** @param {import('./check.js').Finding[]} findings */
export function summarise(findings) {
  const bad = findings.filter(({ verdict }) => verdict === 'bad').length;
  if (bad) return bad > 1 ? `${bad} things need your attention.` : 'One thing needs your attention.';
  const doubtful = findings.some(({ verdict }) => verdict === 'doubtful');
  return doubtful ? 'You can call. Mind the remark above.' : 'You are ready to call.';
}
