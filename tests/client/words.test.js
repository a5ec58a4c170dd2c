import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCameraError, describeError, describeStatus } from '../../signaling/static/words.js';

const said = (status) => describeStatus({ peer: 'bob', ...status });

test('each state of a call has its own words', () => {
  const words = [
    said({ state: 'joining' }),
    said({ state: 'waiting' }),
    said({ state: 'waiting', reason: 'left' }),
    said({ state: 'waiting', reason: 'lost' }),
    said({ state: 'connecting' }),
    said({ state: 'connected' }),
    said({ state: 'reconnecting', code: 1006 }),
    said({ state: 'reconnecting', code: 1012 }),
    said({ state: 'reconnecting', code: 1013 }),
    said({ state: 'ended' }),
    said({ state: 'ended', code: 1008 }),
    said({ state: 'ended', code: 4001 }),
    said({ state: 'ended', code: 4003 }),
  ];
  assert.ok(words.every((sentence) => typeof sentence === 'string'));
  assert.equal(new Set(words).size, words.length);
});

test('a replaced connection is told about the other tab, whatever error came before', () => {
  const error = { code: 'replaced', message: 'You have been disconnected' };
  assert.equal(said({ state: 'ended', code: 4001, error }), 'Disconnected: you joined from another tab or device');
});

test('an error without words of its own is said in the words of the server', () => {
  assert.equal(describeError({ code: 'brand-new', message: 'Something else' }), 'The server says: Something else');
});

test('a camera that cannot be had is explained', () => {
  assert.match(describeCameraError({ name: 'NotAllowedError', message: '' }), /^Allow the camera/);
  assert.match(describeCameraError(new Error('open this page over https')), /open this page over https$/);
});
