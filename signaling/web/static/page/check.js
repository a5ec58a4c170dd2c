/**
 * The pre-call check: one look at everything a call needs, in the order in which it would fail.
 *
 * @typedef {'browser' | 'camera' | 'microphone' | 'server' | 'relay'} Subject
 * @typedef {'good' | 'doubtful' | 'bad'} Verdict
 * @typedef {{about: Subject, verdict: Verdict, what: string, [detail: string]: any}} Finding
 */
import { askForIceServers } from '../client/client.js';
import { fetchRejection } from '../client/rejection.js';
import { currentToken } from './token.js';

export const SUBJECTS = ['browser', 'camera', 'microphone', 'server', 'relay'];

const PATIENCE = 8_000;

/**
 * @param {object} means
 * @param {import('./local-media.js').LocalMedia} means.local
 * @param {import('./level.js').Level} means.level
 * @param {URL} means.signalingUrl
 * @param {URL} means.iceServersUrl
 * @returns {AsyncGenerator<Finding>} in the order of {@link SUBJECTS}
 */
export async function* check({ local, level, signalingUrl, iceServersUrl }) {
  yield { about: 'browser', ...browser() };
  await local.open();
  yield { about: 'camera', ...device(local, 'video') };
  const microphone = device(local, 'audio');
  if (microphone.verdict === 'good' && !(await level.hears(4_000))) {
    yield { about: 'microphone', ...microphone, verdict: 'doubtful', what: 'silent' };
  } else {
    yield { about: 'microphone', ...microphone };
  }
  yield { about: 'server', ...(await server(signalingUrl)) };
  yield { about: 'relay', ...(await relay(iceServersUrl)) };
}

function browser() {
  if (!isSecureContext) return { verdict: 'bad', what: 'insecure' };
  if (!window.RTCPeerConnection || !navigator.mediaDevices) return { verdict: 'bad', what: 'old' };
  return { verdict: 'good', what: 'good' };
}

function device(local, kind) {
  const track = local.track(kind);
  if (track) return { verdict: 'good', what: 'good', label: track.label };
  return { verdict: 'bad', what: 'problem', error: local.problem(kind) };
}

/** The way through every proxy and back: a WebSocket, and the server's answer on it. */
function server(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const over = (finding) => {
      clearTimeout(timer);
      socket.onclose = null;
      socket.close();
      resolve(finding);
    };
    const unreachable = () => over({ verdict: 'bad', what: 'unreachable' });
    const timer = setTimeout(unreachable, PATIENCE);
    const closed = async () => {
      const error = await fetchRejection(url);
      if (error) over({ verdict: 'bad', what: 'rejected', error });
      else unreachable();
    };
    let asked;
    socket.onopen = () => {
      asked = performance.now();
      socket.send(JSON.stringify({ type: 'ping' }));
    };
    socket.onmessage = () => {
      over({ verdict: 'good', what: 'good', milliseconds: Math.ceil(performance.now() - asked) });
    };
    socket.onclose = closed;
  });
}

/** Whether a relay lets us have an address of its own, which is what a call through it begins with. */
async function relay(url) {
  let iceServers = [];
  try {
    iceServers = await askForIceServers(url, { token: await currentToken() });
  } catch ({ code }) {
    if (code === 'unauthorized') return { verdict: 'bad', what: code };
  }
  const relays = iceServers.filter(({ urls }) => [urls].flat().some((url) => /^turns?:/.test(url)));
  if (!relays.length) return { verdict: 'doubtful', what: 'none' };
  const connection = new RTCPeerConnection({ iceServers: relays, iceTransportPolicy: 'relay' });
  try {
    return await new Promise((resolve, reject) => {
      let what = 'unreachable';
      const giveUp = () => resolve({ verdict: 'bad', what });
      setTimeout(giveUp, PATIENCE);
      connection.onicecandidate = ({ candidate }) => {
        if (!candidate) giveUp();
        else if (candidate.type === 'relay') resolve({ verdict: 'good', what: 'good' });
      };
      connection.onicecandidateerror = ({ errorCode }) => {
        if (errorCode === 401 || errorCode === 403) what = 'refused';
      };
      connection.createDataChannel('check');
      connection.setLocalDescription().catch(reject);
    });
  } finally {
    connection.close();
  }
}
