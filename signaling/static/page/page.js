/** The call page: from the form to a call and back. A link such as `?me=alice&peer=bob` joins by itself. */
import { Conversation } from './conversation.js';
import { Devices, remembered } from './devices.js';
import { Findings } from './findings.js';
import { connectFullScreen } from './full-screen.js';
import { Level } from './level.js';
import { LocalMedia } from './local-media.js';
import { Preview } from './preview.js';
import { connectSwitches } from './switches.js';
import { describeProblems } from './words.js';

/** Relative, so that the page works under any prefix it is served at. */
const iceServersUrl = new URL('ice-servers', document.baseURI);
const signalingUrl = new URL('ws', document.baseURI);
signalingUrl.protocol = signalingUrl.protocol.replace('http', 'ws');

const form = document.querySelector('#join');
const { me, peer } = form.elements;
const extras = document.querySelector('#extras');
const status = document.querySelector('#status');
const places = { setup: document.querySelector('#setup'), call: document.querySelector('#call') };

const choice = remembered();
const local = new LocalMedia(choice);
const level = new Level();
const devices = new Devices(local, choice);
const preview = new Preview(local, level);
const conversation = new Conversation({ local, devices, signalingUrl, say });

/** Where the call that is wanted is no longer this one, what was waited for comes too late. */
let round = 0;

async function start() {
  const names = { me: me.value.trim(), peer: peer.value.trim() };
  const current = ++round;
  history.replaceState(null, '', `?${new URLSearchParams(names)}`);
  show('call');
  conversation.prepare(names);
  if (!local.opened) {
    say('asking', 'Asking for your camera and microphone');
    await local.open();
    if (current !== round) return;
  }
  const problems = { audio: local.problem('audio'), video: local.problem('video') };
  // Who meant to be seen or heard and is neither decides about it first.
  if (!local.opened && describeProblems(problems)) finish('trouble', 'Your camera and microphone cannot be used');
  else conversation.begin(finish);
}

/** @param {'ended' | 'trouble'} state @param {string} words */
function finish(state, words) {
  round += 1;
  conversation.leave();
  local.close();
  show('setup');
  say(state, words);
}

/** @param {string} state @param {string} words */
function say(state, words) {
  document.body.dataset.state = state;
  document.title = state === 'idle' ? 'Video call' : `${words} – Video call`;
  // Writing the same words again would have them read out again.
  if (status.textContent !== words) status.textContent = words;
}

/** The keyboard's focus moves along, where hiding its place would lose it. */
function show(view) {
  const other = view === 'call' ? places.setup : places.call;
  const focused = other.contains(document.activeElement) || extras.contains(document.activeElement);
  other.hidden = true;
  places[view].hidden = false;
  extras.hidden = view !== 'call';
  document.body.dataset.view = view;
  devices.moveTo(document.querySelector(view === 'call' ? '#settings' : '#devices-place'));
  if (focused) document.querySelector(view === 'call' ? '#hang-up' : '#enter').focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
document.querySelector('#hang-up').addEventListener('click', () => finish('ended', 'You hung up'));
// A page that comes back out of the browser's memory shows the form, not a call that is over.
addEventListener('pagehide', () => document.body.dataset.view === 'call' && finish('ended', 'You hung up'));
connectSwitches(local);
connectFullScreen();
new Findings({ local, level, signalingUrl, iceServersUrl });

const query = new URLSearchParams(location.search);
me.value = query.get('me') ?? '';
peer.value = query.get('peer') ?? '';
if (me.value && peer.value && !query.has('preview')) {
  start();
} else {
  (me.value ? (peer.value ? document.querySelector('#enter') : peer) : me).focus();
  preview.begin();
}
