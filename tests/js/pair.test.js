/**
 * Two calls with a server between them, and all that can befall them, in many orders: as long as both go on wanting it,
 * they end up in one call, each holding one end of the same.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Call } from '../../signaling/web/static/client/call.js';
import { SignalingClient } from '../../signaling/web/static/client/signaling.js';
import { FakeConnection, FakeStream, settled } from './doubles.js';
import { Exchange } from './exchange.js';

let exchange, tabs;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  FakeConnection.made = [];
  exchange = new Exchange();
  tabs = { alice: [], bob: [] };
  joins('alice', 'bob');
  joins('bob', 'alice');
});

afterEach(() => [...tabs.alice, ...tabs.bob].forEach((call) => call.hangUp()));

function joins(me, peer) {
  const media = new FakeStream(`camera of ${me}`, 'video');
  const signaling = new SignalingClient(`wss://host/${me}`, { WebSocket: exchange.socketOf(me) });
  const call = new Call(signaling, { media, iceServers: [], RTCPeerConnection: FakeConnection });
  tabs[me].push(call);
  call.join(me, peer);
}

/** The calls of a user that have not ended; of several tabs, the server leaves the one whose socket is the newest. */
const calls = (user) => tabs[user].filter(({ status }) => status.state !== 'ended');

/** Two ends that have taken each other's descriptions are connected, and one whose other end was closed is not. */
function connects() {
  for (const end of FakeConnection.made.filter(({ closed }) => !closed)) {
    const other = FakeConnection.made[/of (\d+)/.exec(end.remoteDescription?.sdp)?.[1] - 1];
    const mutual = other?.remoteDescription?.sdp.endsWith(` of ${end.number}`) && !other.closed;
    const stable = mutual && end.signalingState === 'stable' && other.signalingState === 'stable';
    if (stable && end.connectionState !== 'connected') end.turns('connected');
    if (!mutual && end.connectionState === 'connected') end.turns('disconnected');
  }
}

async function passes(seconds) {
  for (let tenth = 0; tenth < seconds * 10; tenth++) {
    mock.timers.tick(100);
    await settled();
    connects();
    await settled();
  }
}

const EVENTS = {
  "alice's socket drops": () => exchange.drops('alice'),
  "bob's socket drops": () => exchange.drops('bob'),
  "nobody notices that alice's socket is dead": () => exchange.deafens('alice'),
  "nobody notices that bob's socket is dead": () => exchange.deafens('bob'),
  'the server restarts': () => exchange.restarts(),
  'two hosts lose sight of each other': () => exchange.breaks(),
  'alice shares her screen': () => calls('alice')[0].shareScreen(new FakeStream('screen', 'video')),
  'bob shares his screen': () => calls('bob')[0].shareScreen(new FakeStream('screen', 'video')),
  'alice hangs up and calls again': () => {
    for (const call of calls('alice')) call.hangUp();
    joins('alice', 'bob');
  },
  'bob opens another tab': () => joins('bob', 'alice'),
  'the connection fails': () => calls('alice')[0].connection?.turns('failed'),
};

function inOneCall() {
  const both = [...calls('alice'), ...calls('bob')];
  assert.deepEqual(both.map(({ status }) => status.state), ['connected', 'connected']);
  const [one, other] = both.map(({ connection }) => connection);
  assert.match(one.remoteDescription.sdp, new RegExp(` of ${other.number}$`));
  assert.match(other.remoteDescription.sdp, new RegExp(` of ${one.number}$`));
  assert.deepEqual([one.signalingState, other.signalingState], ['stable', 'stable']);
  for (const end of [one, other]) assert.ok(!end.needs, 'something is left to be negotiated');
}

test('two that join are in a call', async () => {
  await passes(1);
  inOneCall();
});

for (const [what, happens] of Object.entries(EVENTS)) {
  test(`in a call again after: ${what}`, async () => {
    await passes(1);
    happens();
    await passes(40);
    inOneCall();
  });
}

test('two that are both told to make the offer before they are connected need no time-out', async () => {
  for (let turn = 0; turn < 30; turn++) {
    joins('alice', 'bob');
    joins('bob', 'alice');
    for (let step = 0; step < turn; step++) await Promise.resolve();
    exchange.breaks();
    await passes(2);
    inOneCall();
  }
});

for (const what of ["alice's socket drops", 'two hosts lose sight of each other', "bob's socket drops", "nobody notices that alice's socket is dead", 'the server restarts']) {
  test(`the same call still after: ${what}`, async () => {
    await passes(1);
    EVENTS[what]();
    await passes(40);
    inOneCall();
    assert.equal(FakeConnection.made.length, 2);
  });
}

test('in a call again after anything, whatever the order', async () => {
  let seed = 1;
  const random = (below) => ((seed = (seed * 48_271) % 2_147_483_647) % below);
  const happenings = Object.entries(EVENTS);
  for (let story = 0; story < 60; story++) {
    const told = [];
    for (let chapter = 0; chapter < 5; chapter++) {
      const [what, happens] = happenings[random(happenings.length)];
      const pause = random(20) / 10;
      told.push(`${what}, ${pause} s`);
      happens();
      await passes(pause);
    }
    await passes(75);
    try {
      inOneCall();
    } catch (error) {
      error.message += `\nafter ${told.join('; ')}`;
      throw error;
    }
  }
});
