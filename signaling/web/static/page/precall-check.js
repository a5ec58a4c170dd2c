/**
 * The check before a call: what a call needs, in the order in which it would fail.
 *
 * @typedef {'browser' | 'camera' | 'microphone' | 'server' | 'relay'} Subject
 * @typedef {'good' | 'doubtful' | 'bad'} Verdict
 *
 * @typedef {object} Outcome
 * @property {Verdict} verdict
 * @property {string} cause the key of its text in user-messages.js
 * @property {string} [label] the name of a device
 * @property {Error} [problem] why a device cannot be opened
 * @property {import('../client/errors.js').CallError} [error] of the server
 * @property {number} [milliseconds] the time to the server's answer
 *
 * @typedef {Outcome & { subject: Subject }} CheckResult
 *
 * @typedef {object} CheckOptions
 * @property {import('./local-media.js').LocalMedia} local
 * @property {import('./microphone-level.js').MicrophoneLevel} level
 * @property {URL} signalingUrl
 * @property {URL} iceServersUrl
 */
import { askForIceServers } from '../client/client.js';
import { fetchRejection } from '../client/rejection.js';
import { currentToken } from './access-token.js';

/** @type {Subject[]} */
export const SUBJECTS = ['browser', 'camera', 'microphone', 'server', 'relay'];

const SERVER_TIMEOUT = 8_000;
const RELAY_TIMEOUT = 8_000;
const SOUND_TIMEOUT = 4_000;

/**
 * @param {CheckOptions} options
 * @returns {AsyncGenerator<CheckResult>} in the order of {@link SUBJECTS}
 */
export async function* runCheck({ local, level, signalingUrl, iceServersUrl }) {
  yield { subject: 'browser', ...checkBrowser() };
  await local.open();
  yield { subject: 'camera', ...checkDevice(local, 'video') };
  const microphone = checkDevice(local, 'audio');
  if (microphone.verdict === 'good' && !(await level.detectSound(SOUND_TIMEOUT))) {
    yield { subject: 'microphone', ...microphone, verdict: 'doubtful', cause: 'silent' };
  } else {
    yield { subject: 'microphone', ...microphone };
  }
  yield { subject: 'server', ...(await checkServer(signalingUrl)) };
  yield { subject: 'relay', ...(await checkRelay(iceServersUrl)) };
}

/** @returns {Outcome} */
function checkBrowser() {
  if (!isSecureContext) return { verdict: 'bad', cause: 'insecure' };
  if (!('RTCPeerConnection' in window) || !navigator.mediaDevices) return { verdict: 'bad', cause: 'old' };
  return { verdict: 'good', cause: 'good' };
}

/**
 * @param {import('./local-media.js').LocalMedia} local
 * @param {import('./local-media.js').Kind} kind
 * @returns {Outcome}
 */
function checkDevice(local, kind) {
  const track = local.track(kind);
  if (track) return { verdict: 'good', cause: 'good', label: track.label };
  const problem = local.problem(kind);
  return problem ? { verdict: 'bad', cause: 'problem', problem } : { verdict: 'doubtful', cause: 'off' };
}

/**
 * Open a WebSocket and send a ping, through every proxy on the way.
 * @param {URL} url
 * @returns {Promise<Outcome>}
 */
function checkServer(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const finish = (/** @type {Outcome} */ outcome) => {
      clearTimeout(timer);
      socket.onclose = null;
      socket.close();
      resolve(outcome);
    };
    const fail = () => finish({ verdict: 'bad', cause: 'unreachable' });
    const timer = setTimeout(fail, SERVER_TIMEOUT);
    let sent = 0;
    socket.onopen = () => {
      sent = performance.now();
      socket.send(JSON.stringify({ type: 'ping' }));
    };
    socket.onmessage = () => {
      finish({ verdict: 'good', cause: 'good', milliseconds: Math.ceil(performance.now() - sent) });
    };
    socket.onclose = async () => {
      const error = await fetchRejection(url);
      if (error) finish({ verdict: 'bad', cause: 'rejected', error });
      else fail();
    };
  });
}

/**
 * Have a TURN server allocate an address (RFC 8656), as each call through it begins.
 * @param {URL} url of the list of ICE servers
 * @returns {Promise<Outcome>}
 */
async function checkRelay(url) {
  /** @type {RTCIceServer[]} */
  let iceServers = [];
  try {
    iceServers = await askForIceServers(url, { token: await currentToken() });
  } catch (error) {
    const { code } = /** @type {{ code?: string }} */ (error);
    if (code === 'unauthorized') return { verdict: 'bad', cause: code };
  }
  const relays = iceServers.filter(({ urls }) => [urls].flat().some((each) => /^turns?:/.test(each)));
  if (!relays.length) return { verdict: 'doubtful', cause: 'none' };
  const connection = new RTCPeerConnection({ iceServers: relays, iceTransportPolicy: 'relay' });
  try {
    return await new Promise((resolve, reject) => {
      let cause = 'unreachable';
      const fail = () => resolve({ verdict: 'bad', cause });
      setTimeout(fail, RELAY_TIMEOUT);
      connection.onicecandidate = ({ candidate }) => {
        if (!candidate) fail();
        else if (candidate.type === 'relay') resolve({ verdict: 'good', cause: 'good' });
      };
      connection.onicecandidateerror = ({ errorCode }) => {
        if (errorCode === 401 || errorCode === 403) cause = 'refused';
      };
      connection.createDataChannel('check');
      connection.setLocalDescription().catch(reject);
    });
  } finally {
    connection.close();
  }
}
