/** The call page: from the form to a call and back. A link such as `?me=alice&peer=bob` joins by itself. */
import { Call } from './call.js';
import { SignalingClient } from './signaling.js';
import { describeCameraError, describeError, describeStatus } from './words.js';

const form = document.querySelector('form');
const fields = form.querySelector('fieldset');
const { me, peer } = form.elements;
const stage = document.querySelector('#stage');
const absent = document.querySelector('#absent');
const remoteVideo = document.querySelector('#remote');
const localVideo = document.querySelector('#local');
const hangUp = document.querySelector('#hang-up');
const status = document.querySelector('[role=status]');

/** Relative, so that the page works under any prefix it is served at. */
const signalingUrl = new URL('ws', document.baseURI);
signalingUrl.protocol = signalingUrl.protocol.replace('http', 'ws');
signalingUrl.search = signalingUrl.hash = '';

/** Ends whatever is under way: the call, or the wait for the camera before it. */
let stop = () => {};

async function start() {
  const names = { me: me.value.trim(), peer: peer.value.trim() };
  history.replaceState(null, '', `?${new URLSearchParams(names)}`);
  introduce(names.peer);
  busy(true);
  say('asking', 'Asking for your camera and microphone');

  let wanted = true;
  stop = () => {
    wanted = false;
    finish('ended', 'You hung up');
  };
  let media;
  try {
    media = await openCamera();
  } catch (error) {
    if (wanted) finish('trouble', describeCameraError(error));
    return;
  }
  if (wanted) run(names, media);
  else close(media);
}

function run(names, media) {
  localVideo.srcObject = media;
  const call = new Call(new SignalingClient(signalingUrl), { media });
  call.addEventListener('media', ({ detail }) => {
    remoteVideo.srcObject = detail;
    absent.hidden = detail !== null;
  });
  call.addEventListener('status', ({ detail }) => {
    if (detail.state !== 'ended') return say(detail.state, describeStatus(detail));
    close(media);
    finish(detail.code || detail.error ? 'trouble' : 'ended', describeStatus(detail));
  });
  call.addEventListener('error', ({ detail }) => {
    // Candidates still on their way when the peer left; its `bye` has said so already.
    if (detail.code !== 'peer-absent') status.textContent = describeError(detail);
  });
  stop = () => call.hangUp();
  call.join(names.me, names.peer);
}

function openCamera() {
  // Browsers hide the camera from pages that did not come over a secure connection.
  if (!navigator.mediaDevices) throw new Error('open this page over https');
  return navigator.mediaDevices.getUserMedia({ audio: true, video: true });
}

function close(media) {
  for (const track of media.getTracks()) track.stop();
}

function finish(state, words) {
  localVideo.srcObject = remoteVideo.srcObject = null;
  busy(false);
  say(state, words);
}

/** What stands in for the peer's picture, and what the picture is called. */
function introduce(peer) {
  const [initial = ''] = peer;
  absent.querySelector('#initial').textContent = initial.toUpperCase();
  absent.querySelector('#name').textContent = peer;
  remoteVideo.setAttribute('aria-label', `Video of ${peer}`);
}

function say(state, words) {
  document.body.dataset.state = state;
  // Writing the same words again would have them read out again.
  if (status.textContent !== words) status.textContent = words;
}

/** Shows the form or the stage. The keyboard's focus moves along, where hiding its place would lose it. */
function busy(yes) {
  const [leaving, coming, target] = yes ? [form, stage, hangUp] : [stage, form, fields.querySelector('button')];
  const focused = leaving.contains(document.activeElement);
  leaving.hidden = true;
  coming.hidden = false;
  if (focused) target.focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
hangUp.addEventListener('click', () => stop());

const query = new URLSearchParams(location.search);
me.value = query.get('me') ?? '';
peer.value = query.get('peer') ?? '';
if (me.value && peer.value) start();
else (me.value ? peer : me).focus();
