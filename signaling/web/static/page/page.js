/** The call page: from the form to a call and back. A link such as `?me=alice&peer=bob` fills in the form. */
import { Conversation } from './conversation.js';
import { Devices, remembered } from './devices.js';
import { Findings } from './findings.js';
import { connectFullScreen } from './full-screen.js';
import { Level } from './level.js';
import { LocalMedia } from './local-media.js';
import { notice } from './notice.js';
import { guardPresses } from './press-guard.js';
import { Preview } from './preview.js';
import { forgetCall, isReloadOf, rememberCall } from './reload.js';
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
new Preview(local, level);
const conversation = new Conversation({ local, devices, signalingUrl, say });

const guardAgain = guardPresses(places.setup, () => notice('That was too soon after the page appeared. Press again.'));

/** Where the call that is wanted is no longer this one, what was waited for comes too late. */
let round = 0;

/** Turns camera and microphone on and joins: only ever after a press in this page, or a reload in the call. */
async function start() {
  const names = typed();
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

function typed() {
  return { me: me.value.trim(), peer: peer.value.trim() };
}

/** Who calls whom, in large letters: a link has filled in the names. */
function entitle() {
  const names = typed();
  const title = names.me && names.peer ? `Call ${names.peer} as ${names.me}` : 'Start a call';
  document.querySelector('#join-title').textContent = title;
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
  // The second half of a double click on the button to hang up must not join again.
  if (view === 'setup') guardAgain();
  devices.moveTo(document.querySelector(view === 'call' ? '#settings' : '#devices-place'));
  if (focused) document.querySelector(view === 'call' ? '#hang-up' : '#enter').focus();
}

form.addEventListener('input', entitle);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
document.querySelector('#hang-up').addEventListener('click', () => finish('ended', 'You hung up'));
addEventListener('pagehide', () => {
  if (document.body.dataset.view !== 'call') return;
  rememberCall(typed());
  finish('ended', 'You hung up');
});
// A page that comes back out of the browser's memory shows the form, and a reload of it is no reload of the call.
addEventListener('pageshow', ({ persisted }) => persisted && forgetCall());
connectSwitches(local);
connectFullScreen();
new Findings({ local, level, signalingUrl, iceServersUrl });

const query = new URLSearchParams(location.search);
me.value = query.get('me') ?? '';
peer.value = query.get('peer') ?? '';
entitle();
if (isReloadOf(typed())) start();
else (me.value ? (peer.value ? document.querySelector('#enter') : peer) : me).focus();
