/** The call of an appointment: it joins at once, and waits until the other one is there. */
import { Call, SignalingClient, pageConfig, pageToken } from 'signaling';

const root = document.querySelector('#call');
const { me, peer, name } = root.dataset;
const [status, videos, remote, local, hangUp, after] =
  ['#status', '#videos', '#remote', '#local', '#hang-up', '#after'].map((selector) => root.querySelector(selector));

/** Why the server ended the call, by its close code. */
const ENDED = {
  4001: 'This call goes on in another tab.',
  4003: 'You may not join this call. Log in again, or ask the clinic.',
  4004: 'You have logged out.',
};

function describe({ state, reason, code, error }) {
  if (state === 'waiting') {
    return reason ? `${name} has left. They can come back while you wait.` : `Waiting for ${name} …`;
  }
  if (state === 'connected') return `In a call with ${name}.`;
  if (state === 'reconnecting') return 'The connection is lost. Reconnecting …';
  if (state === 'ended') return ENDED[code] ?? error?.message ?? 'The call has ended.';
  return 'Connecting …';
}

/** @type {Call | null} */
let call = null;
let ended = false;

function stop(media) {
  for (const track of media?.getTracks() ?? []) track.stop();
}

function end(text) {
  if (ended) return;
  ended = true;
  call?.hangUp();
  stop(local.srcObject);
  status.textContent = text;
  videos.hidden = hangUp.hidden = true;
  after.hidden = false;
  after.querySelector('a').focus();
}

async function start() {
  let media;
  try {
    media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  } catch (error) {
    end(`Your camera or microphone cannot be used: ${error.message}. Allow them, and call again.`);
    return;
  }
  if (ended) {
    stop(media);
    return;
  }
  local.srcObject = media;
  call = new Call(new SignalingClient(pageConfig().url), { media });
  call.on('media', (stream) => { remote.srcObject = stream; });
  call.on('status', (now) => {
    if (now.state === 'ended') end(describe(now));
    else status.textContent = describe(now);
  });
  // Beside the service: the login has ended, or the clinic cannot be reached. The client tries again.
  call.on('error', ({ code, message }) => { if (code === 'token-failed') status.textContent = message; });
  call.join(me, peer, { token: pageToken(peer) });
}

hangUp.addEventListener('click', () => end('You have hung up.'));
start();
// The browser may show the page of an old call again.
addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
