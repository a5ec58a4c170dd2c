import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeCheckResult,
  describeError,
  describePeerDevices,
  describeProblems,
  describeStatus,
  summarizeCheck,
} from '../../signaling/web/static/page/user-messages.js';

const said = (status) => describeStatus({ peer: 'bob', signaling: 'open', ...status });
const problem = (name, message = '') => Object.assign(new Error(message), { name });

test('each state of a call has its own words', () => {
  const words = [
    said({ state: 'joining' }),
    said({ state: 'joining', retry: { code: 1006 } }),
    said({ state: 'waiting' }),
    said({ state: 'waiting', reason: 'left' }),
    said({ state: 'waiting', reason: 'lost' }),
    said({ state: 'connecting' }),
    said({ state: 'connected' }),
    said({ state: 'connected', path: 'direct' }),
    said({ state: 'connected', path: 'relay' }),
    said({ state: 'reconnecting' }),
    said({ state: 'reconnecting', signaling: 'reconnecting', retry: { code: 1006 } }),
    said({ state: 'reconnecting', signaling: 'reconnecting', retry: { code: 1012 } }),
    said({ state: 'reconnecting', signaling: 'reconnecting', retry: { code: 1013 } }),
    ...['server-full', 'address-limited', 'restarting'].map((code) => said({ state: 'joining', retry: { code: 1006, error: { code } } })),
    said({ state: 'ended', code: 1006, error: { code: 'origin-refused', message: '' } }),
    said({ state: 'ended' }),
    said({ state: 'ended', code: 1008 }),
    said({ state: 'ended', code: 4001 }),
    said({ state: 'ended', code: 4003 }),
  ];
  assert.ok(words.every((sentence) => typeof sentence === 'string'));
  assert.equal(new Set(words).size, words.length);
});

test('a call goes on while only the way to the server is interrupted, and nothing is said', () => {
  const undisturbed = said({ state: 'connected', path: 'direct' });
  const retry = { code: 1012 };
  assert.equal(said({ state: 'connected', path: 'direct', signaling: 'reconnecting', retry }), undisturbed);
});

test('a replaced connection is told about the other tab, whatever error came before', () => {
  const error = { code: 'replaced', message: 'You have been disconnected' };
  assert.equal(said({ state: 'ended', code: 4001, error }), 'Disconnected: you joined from another tab or device');
});

test('a call that the app ended is told in the sentence of the app', () => {
  const error = { code: 'ended', message: 'Your time is over' };
  assert.equal(said({ state: 'ended', code: 4004, error }), 'Your time is over');
  assert.equal(said({ state: 'ended', code: 4004 }), 'The call was ended');
});

test('an error without words of its own is said in the words of the server', () => {
  assert.equal(describeError({ code: 'brand-new', message: 'Something else' }), 'The server says: Something else');
});

test('what is wrong with both devices is said once, and otherwise of each', () => {
  const refused = problem('NotAllowedError');
  assert.equal(describeProblems({ audio: null, video: null }), '');
  const once = describeProblems({ audio: refused, video: refused });
  assert.match(once, /^This page may not use your camera and microphone\. Allow/);
  const both = describeProblems({ audio: problem('NotFoundError'), video: refused });
  assert.match(both, /^No microphone was found\..* This page may not use your camera\./);
});

test('what the system forbids is not looked for in the browser', () => {
  const words = describeProblems({ video: problem('NotAllowedError', 'Permission denied by system') });
  assert.match(words, /system's privacy settings/);
});

test('a problem nobody thought of is said in the words of the browser', () => {
  assert.match(describeProblems({ video: problem('OddError', 'the lens is on the moon') }), /the lens is on the moon/);
});

test("the peer's devices that are off are named", () => {
  assert.equal(describePeerDevices({ audio: true, video: true }, 'bob'), '');
  assert.equal(describePeerDevices({ audio: false, video: true }, 'bob'), "bob's microphone is off");
  assert.equal(describePeerDevices({ audio: false, video: false }, 'Agnes'), "Agnes' camera and microphone are off");
});

test('a check ends in one sentence that says whether to worry', () => {
  const good = { subject: 'browser', verdict: 'good', cause: 'good' };
  const none = { subject: 'relay', verdict: 'doubtful', cause: 'none' };
  const dead = { subject: 'server', verdict: 'bad', cause: 'unreachable' };
  assert.equal(summarizeCheck([good]), 'You are ready to call.');
  assert.equal(summarizeCheck([good, none]), 'You can call. Mind the remark above.');
  assert.equal(summarizeCheck([dead, none]), 'One thing needs your attention.');
  assert.equal(summarizeCheck([dead, dead]), '2 things need your attention.');
  assert.match(describeCheckResult(dead), /does not answer/);
});

test('a device that the user has turned off is no problem of the check', () => {
  for (const subject of ['camera', 'microphone']) {
    assert.equal(describeCheckResult({ subject, verdict: 'doubtful', cause: 'off' }), `Your ${subject} is off.`);
  }
});
