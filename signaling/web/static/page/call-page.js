/** The call page: a form, a call, and the form again. A link such as `?me=alice&peer=bob` fills in the form. */
import { find, setText } from '../common/dom.js';
import { CallView } from './call-view.js';
import { CheckResults } from './check-results.js';
import { DevicePicker, loadChoice } from './device-picker.js';
import { guardEarlyPresses } from './early-press-guard.js';
import { connectFullScreen } from './full-screen.js';
import { LocalMedia } from './local-media.js';
import { connectMediaButtons } from './media-buttons.js';
import { MicrophoneLevel } from './microphone-level.js';
import { showNotice } from './notice.js';
import { Preview } from './preview.js';
import { forgetCall, isReloadOf, rememberCall } from './reloaded-call.js';
import { describeProblems } from './user-messages.js';
import { say } from './words.js';

/** Relative addresses, so that the page works under any prefix. */
const iceServersUrl = new URL('ice-servers', document.baseURI);
const signalingUrl = new URL('ws', document.baseURI);
signalingUrl.protocol = signalingUrl.protocol.replace('http', 'ws');

const form = find('#join', HTMLFormElement);
const me = find('#me', HTMLInputElement);
const peer = find('#peer', HTMLInputElement);
const enterButton = find('#enter', HTMLButtonElement);
const hangUpButton = find('#hang-up', HTMLButtonElement);
const callTools = find('#extras', HTMLElement);
const statusElement = find('#status', HTMLElement);
const views = { setup: find('#setup', HTMLElement), call: find('#call', HTMLElement) };
const devicePlaces = { setup: find('#devices-place', HTMLElement), call: find('#settings', HTMLElement) };

const choice = loadChoice();
const local = new LocalMedia(choice);
const level = new MicrophoneLevel();
const devices = new DevicePicker(local, choice);
new Preview(local, level);
const callView = new CallView({ local, devices, signalingUrl, showStatus });

const restartGuard = guardEarlyPresses(views.setup, () => {
  showNotice(say('That was too soon after the page appeared. Press again.'));
});

/** It grows with each start and end of a call, so that a step that waited can tell whether it is stale. */
let generation = 0;

/** Open camera and microphone, and join. This needs a press in this page, or a reload during the call. */
async function start() {
  const names = readNames();
  const current = ++generation;
  history.replaceState(null, '', `?${new URLSearchParams(names)}`);
  show('call');
  callView.prepare(names);
  if (!local.opened) {
    showStatus('asking', say('Asking for your camera and microphone'));
    await local.open();
    if (current !== generation) return;
  }
  const problems = { audio: local.problem('audio'), video: local.problem('video') };
  // A user who wants to be seen or heard, and cannot be, decides first whether to join without.
  if (!local.opened && describeProblems(problems)) finish('trouble', say('Your camera and microphone cannot be used'));
  else callView.begin(finish);
}

function readNames() {
  return { me: me.value.trim(), peer: peer.value.trim() };
}

/** Show the two names in the title: they may come from a link. */
function updateTitle() {
  const names = readNames();
  const title = names.me && names.peer ? say('Call {peer} as {me}', names) : say('Start a call');
  find('#join-title', HTMLElement).textContent = title;
}

/**
 * @param {'ended' | 'trouble'} state
 * @param {string} text
 */
function finish(state, text) {
  generation += 1;
  callView.leave();
  local.close();
  show('setup');
  showStatus(state, text);
}

/**
 * @param {string} state
 * @param {string} text
 */
function showStatus(state, text) {
  document.body.dataset.state = state;
  document.title = `${text} – ${say('Video call')}`;
  setText(statusElement, text);
}

/**
 * Show one of the two views. The keyboard's focus moves along, since it would be lost in a hidden view.
 * @param {'setup' | 'call'} view
 */
function show(view) {
  const other = view === 'call' ? views.setup : views.call;
  const focused = other.contains(document.activeElement) || callTools.contains(document.activeElement);
  other.hidden = true;
  views[view].hidden = false;
  callTools.hidden = view !== 'call';
  document.body.dataset.view = view;
  // The second half of a double click on the button to hang up must not join again.
  if (view === 'setup') restartGuard();
  devices.moveTo(devicePlaces[view]);
  if (focused) (view === 'call' ? hangUpButton : enterButton).focus();
}

form.addEventListener('input', updateTitle);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
hangUpButton.addEventListener('click', () => finish('ended', say('You hung up')));
addEventListener('pagehide', () => {
  if (document.body.dataset.view !== 'call') return;
  rememberCall(readNames());
  finish('ended', say('You hung up'));
});
// A page from the browser's cache shows the form, and a reload of it is no reload of the call.
addEventListener('pageshow', ({ persisted }) => persisted && forgetCall());
connectMediaButtons(local);
connectFullScreen();
new CheckResults({ local, level, signalingUrl, iceServersUrl });

const query = new URLSearchParams(location.search);
me.value = query.get('me') ?? '';
peer.value = query.get('peer') ?? '';
updateTitle();
if (isReloadOf(readNames())) start();
else (me.value ? (peer.value ? enterButton : peer) : me).focus();
