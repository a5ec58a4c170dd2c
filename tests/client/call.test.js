import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Call } from '../../signaling/static/call.js';
import { SignalingClient } from '../../signaling/static/signaling.js';
import { FakeConnection, FakeSocket, record, settled } from './doubles.js';

const media = { getTracks: () => ['audio', 'video'] };
let call, socket, statuses, errors;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  FakeSocket.made = [];
  FakeConnection.made = [];
  const signaling = new SignalingClient('wss://host/ws', { WebSocket: FakeSocket });
  call = new Call(signaling, { media, iceServers: [{ urls: 'stun:host' }], RTCPeerConnection: FakeConnection });
  statuses = record(call, 'status');
  errors = record(call, 'error');
  call.join('alice', 'bob');
  socket = FakeSocket.last;
  socket.opens();
});

const status = () => {
  const { type, peer, ...rest } = statuses.at(-1);
  return rest;
};
const fromPeer = (data) => ({ type: 'message', data, from: 'bob' });
const sent = (type) => FakeSocket.last.sent.filter((message) => message.type === type);
const descriptions = () => sent('message').map(({ data }) => data.sdp);

async function connected(role) {
  socket.says({ type: role });
  await settled();
  FakeConnection.last.turns('connected');
}

test('the one told ready offers, once, and takes the answer', async () => {
  socket.says({ type: 'created' });
  assert.deepEqual(status(), { state: 'waiting', reason: undefined });
  socket.says({ type: 'ready' });
  await settled();
  assert.deepEqual(FakeConnection.last.configuration, { iceServers: [{ urls: 'stun:host' }] });
  assert.deepEqual(status(), { state: 'connecting' });
  assert.deepEqual(descriptions(), ['offer of 1']);
  socket.says(fromPeer({ type: 'answer', sdp: "bob's answer" }));
  await settled();
  FakeConnection.last.turns('connected');
  assert.deepEqual(status(), { state: 'connected' });
});

test('the one told joined waits for the offer, and answers it', async () => {
  socket.says({ type: 'joined' });
  await settled();
  assert.deepEqual(descriptions(), []);
  socket.says(fromPeer({ type: 'offer', sdp: "bob's offer" }));
  await settled();
  assert.deepEqual(descriptions(), ['answer of 1']);
});

test('candidates are taken in order, and none before its description', async () => {
  socket.says(
    { type: 'joined' },
    fromPeer({ type: 'candidate', candidate: { candidate: 'early' } }),
    fromPeer({ type: 'offer', sdp: "bob's offer" }),
    fromPeer({ type: 'candidate', candidate: { candidate: 'unknown' } }),
    fromPeer({ type: 'candidate', candidate: { candidate: '' } }),
  );
  await settled();
  assert.deepEqual(FakeConnection.last.log, ["remote bob's offer", 'candidate early', 'local answer', 'candidate ']);
});

test("one's own candidates are passed on as they are, and their end is not one", async () => {
  socket.says({ type: 'ready' });
  FakeConnection.last.onicecandidate({ candidate: { candidate: '', sdpMid: '0' } });
  FakeConnection.last.onicecandidate({ candidate: null });
  assert.deepEqual(sent('candidate'), [{ type: 'candidate', candidate: { candidate: '', sdpMid: '0' } }]);
});

test('of two offers that cross, the first offerer keeps its own and the other takes it', async () => {
  await connected('ready');
  socket.says(fromPeer({ type: 'offer', sdp: 'crossing' }));
  await settled();
  assert.equal(FakeConnection.last.remoteDescription, null);

  socket.says({ type: 'joined' }, fromPeer({ type: 'offer', sdp: 'first' }));
  await settled();
  FakeConnection.last.onnegotiationneeded();
  await settled();
  assert.equal(FakeConnection.last.signalingState, 'have-local-offer');
  socket.says(fromPeer({ type: 'offer', sdp: 'crossing' }));
  await settled();
  assert.equal(FakeConnection.last.remoteDescription.sdp, 'crossing');
  assert.equal(FakeConnection.last.localDescription.type, 'answer');
});

test('ready again starts anew on a new connection', async () => {
  await connected('ready');
  const first = FakeConnection.last;
  socket.says({ type: 'ready' });
  await settled();
  assert.ok(first.closed);
  assert.deepEqual(descriptions(), ['offer of 1', 'offer of 2']);
});

test('what a peer sends that is not about the connection disturbs nothing', async () => {
  await connected('joined');
  socket.says(fromPeer(null), fromPeer('text'), { type: 'message', from: 'bob' });
  socket.says(fromPeer({ type: 'answer', sdp: 'unasked' }));
  await settled();
  assert.deepEqual(FakeConnection.last.log, []);
});

test('when nothing connects in time, joining again starts over, until something does', async () => {
  mock.method(console, 'warn', () => {});
  socket.says({ type: 'joined' }, fromPeer({ type: 'offer', sdp: 'broken' }));
  await settled();
  assert.equal(console.warn.mock.callCount(), 1);
  mock.timers.tick(15_000);
  assert.equal(sent('join').length, 2);
  mock.timers.tick(15_000);
  assert.equal(sent('join').length, 3);
  await connected('joined');
  socket.says({ type: 'pong' });
  mock.timers.tick(15_000);
  assert.equal(sent('join').length, 3);
  mock.restoreAll();
});

test('a peer that left is gone at once', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'left' });
  assert.deepEqual(status(), { state: 'waiting', reason: 'left' });
  assert.ok(FakeConnection.last.closed);
});

test('a peer that was lost stays for as long as its media flows', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  assert.deepEqual(status(), { state: 'connected' });
  FakeConnection.last.turns('disconnected');
  assert.deepEqual(status(), { state: 'waiting', reason: 'lost' });
  assert.ok(FakeConnection.last.closed);
});

test("media outlives one's own socket, until the next negotiation", async () => {
  await connected('ready');
  const first = FakeConnection.last;
  socket.drops(1012);
  assert.equal(status().state, 'reconnecting');
  assert.equal(status().code, 1012);
  mock.timers.tick(500);
  socket = FakeSocket.last;
  socket.opens();
  socket.says({ type: 'created' });
  assert.deepEqual(status(), { state: 'connected' });
  assert.ok(!first.closed);
  socket.says({ type: 'ready' });
  assert.ok(first.closed);
});

test('hanging up says bye, closes everything, and is the end', async () => {
  await connected('ready');
  call.hangUp();
  assert.deepEqual(sent('bye'), [{ type: 'bye' }]);
  assert.equal(socket.closedWith, 1000);
  assert.ok(FakeConnection.last.closed);
  assert.deepEqual(status(), { state: 'ended' });
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('an error in answer to the join ends the call', () => {
  const error = { code: 'invalid-message', message: 'userId is too long' };
  socket.says({ type: 'error', ...error });
  assert.deepEqual(status(), { state: 'ended', error });
  assert.equal(socket.closedWith, 1000);
});

test('an error later on is told and costs nothing', async () => {
  await connected('ready');
  socket.says({ type: 'error', code: 'rate-limited', message: 'Slow down' });
  assert.deepEqual(errors, [{ type: 'error', code: 'rate-limited', message: 'Slow down' }]);
  assert.deepEqual(status(), { state: 'connected' });
});

test('a connection that was replaced ends the call and says why', async () => {
  await connected('ready');
  socket.says({ type: 'error', code: 'replaced', message: 'Elsewhere' });
  socket.drops(4001);
  assert.deepEqual(status(), { state: 'ended', code: 4001, error: { code: 'replaced', message: 'Elsewhere' } });
  assert.ok(FakeConnection.last.closed);
});
