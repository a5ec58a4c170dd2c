import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Call } from '../../signaling/web/static/client/call.js';
import { network } from '../../signaling/web/static/client/network.js';
import { SignalingClient } from '../../signaling/web/static/client/signaling.js';
import { FakeConnection, FakeSocket, FakeStream, record, server, settled } from './doubles.js';

let media, call, socket, statuses, errors;

beforeEach(() => {
  call?.hangUp();
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  FakeSocket.made = [];
  FakeConnection.made = [];
  media = new FakeStream('camera', 'audio', 'video');
  calls({ media, iceServers: [{ urls: 'stun:host' }] });
});

function calls(options, joining) {
  const signaling = new SignalingClient('wss://host/ws', { WebSocket: FakeSocket });
  call = new Call(signaling, { RTCPeerConnection: FakeConnection, ...options });
  statuses = record(call, 'status');
  errors = record(call, 'error');
  call.join('alice', 'bob', joining);
  socket = FakeSocket.last;
  socket.opens();
}

const status = () => {
  const { peer, signaling, retry, ...rest } = call.status;
  return rest;
};
const connection = () => FakeConnection.last;
const fromPeer = (data) => ({ type: 'message', data, from: 'bob' });
const sent = (type) => FakeSocket.last.sent.filter((message) => message.type === type);
const data = () => sent('message').map((message) => message.data);
const descriptions = () => data().flatMap(({ sdp }) => sdp ?? []);
const session = () => data().findLast((message) => message.session)?.session;

/** In a call, having offered or answered; the peer runs this client too unless it is a stranger. */
async function connected(role, { stranger } = {}) {
  if (role === 'ready') socket.says({ type: 'created' });
  socket.says({ type: role });
  await settled();
  const name = stranger ? {} : { session: role === 'ready' ? session() : 'of bob' };
  socket.says(fromPeer({ type: role === 'ready' ? 'answer' : 'offer', sdp: "bob's first", ...name }));
  await settled();
  connection().turns('connected');
  await settled();
}

/** Drops the socket and is let in again. */
function returns(...messages) {
  socket.drops(1006);
  mock.timers.tick(500);
  socket = FakeSocket.last;
  socket.opens();
  socket.says(...messages);
}

test('the one told ready offers, once, and takes the answer', async () => {
  assert.deepEqual(status(), { state: 'joining' });
  socket.says({ type: 'created' });
  assert.deepEqual(status(), { state: 'waiting' });
  socket.says({ type: 'ready' });
  await settled();
  assert.deepEqual(connection().configuration, { iceServers: [{ urls: 'stun:host' }] });
  assert.deepEqual(status(), { state: 'connecting' });
  assert.deepEqual(descriptions(), ['offer of 1']);
  socket.says(fromPeer({ type: 'answer', sdp: "bob's answer" }));
  await settled();
  const told = statuses.length;
  connection().turns('connecting');
  assert.equal(statuses.length, told, 'what is known already is not told again');
  connection().turns('connected');
  assert.deepEqual(status(), { state: 'connected' });
});

test('a token that cannot be had for now ends nothing', async () => {
  const outcomes = [Promise.reject(new Error('Failed to fetch')), 'fresh'];
  call.hangUp();
  calls({ media }, { token: () => outcomes.shift() });
  await settled();
  assert.deepEqual(errors, [{ type: 'error', code: 'token-failed', message: 'Failed to fetch' }]);
  assert.deepEqual(status(), { state: 'joining' });
  mock.timers.tick(500);
  FakeSocket.last.opens();
  await settled();
  assert.equal(sent('join')[0].token, 'fresh');
});

test('a join that is not allowed ends it with the reason', () => {
  const error = { code: 'unauthorized', message: 'Unauthorized: the token has expired' };
  socket.says({ type: 'error', ...error });
  socket.drops(4003);
  assert.deepEqual(status(), { state: 'ended', error });
  mock.timers.tick(3_600_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('the one told joined waits for the offer, and answers it', async () => {
  socket.says({ type: 'joined' });
  await settled();
  assert.deepEqual(descriptions(), []);
  socket.says(fromPeer({ type: 'offer', sdp: "bob's offer", session: 'of bob' }));
  await settled();
  assert.deepEqual(data(), [{ type: 'answer', sdp: 'answer of 1', session: 'of bob', screen: null }]);
});

test('how one is connected is told as soon as it is known', async () => {
  await connected('ready');
  connection().stats = new Map([
    ['T', { type: 'transport', selectedCandidatePairId: 'P' }],
    ['P', { type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R' }],
    ['L', { candidateType: 'host' }],
    ['R', { candidateType: 'relay' }],
  ]);
  connection().turns('connected');
  await settled();
  assert.deepEqual(status(), { state: 'connected', path: 'relay' });
});

test('a path that the browser does not know at first is found later', async () => {
  await connected('ready');
  assert.deepEqual(status(), { state: 'connected' });
  connection().stats = new Map(
    [
      { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
      { id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R' },
      { id: 'L', candidateType: 'host' },
      { id: 'R', candidateType: 'host' },
    ].map((report) => [report.id, report]),
  );
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual(status(), { state: 'connected', path: 'direct' });
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
  assert.deepEqual(connection().log, ["remote bob's offer", 'candidate early', 'local answer', 'candidate ']);
  assert.deepEqual(errors, []);
});

test("one's own candidates are passed on as they are, and their end is not one", async () => {
  socket.says({ type: 'ready' });
  connection().onicecandidate({ candidate: { candidate: '', sdpMid: '0' } });
  connection().onicecandidate({ candidate: null });
  assert.deepEqual(sent('candidate'), [{ type: 'candidate', candidate: { candidate: '', sdpMid: '0' } }]);
});

test('of two offers that cross, the first offerer keeps its own and the other takes it and asks again', async () => {
  await connected('ready');
  call.addTrack(new FakeStream('', 'video').tracks[0]);
  await settled();
  socket.says(fromPeer({ type: 'offer', sdp: 'crossing', session: session() }));
  await settled();
  assert.equal(connection().signalingState, 'have-local-offer');
  assert.equal(connection().remoteDescription.sdp, "bob's first");

  socket.says({ type: 'bye', reason: 'left' });
  await connected('joined');
  call.addTrack(new FakeStream('', 'video').tracks[0]);
  await settled();
  socket.says(fromPeer({ type: 'offer', sdp: 'crossing', session: 'of bob' }));
  await settled();
  assert.deepEqual(connection().log.slice(-4), ['local offer', 'remote crossing', 'local answer', 'local offer']);
});

test('what a peer sends that is not about the connection disturbs nothing', async () => {
  await connected('joined');
  const before = [...connection().log];
  socket.says(fromPeer(null), fromPeer('text'), { type: 'message', from: 'bob' });
  socket.says(fromPeer({ type: 'answer', sdp: 'unasked' }), fromPeer({ type: 'mood', session: 'of bob' }));
  await settled();
  assert.deepEqual(connection().log, before);
});

test('an ICE server list comes from the join reply, a function is asked for each description, a failure is told', async () => {
  call.hangUp();
  calls({});
  assert.equal(sent('join')[0].iceServers, true);
  socket.says({ type: 'joined', iceServers: [{ urls: 'turn:host' }] });
  await settled();
  assert.deepEqual(connection().configuration, { iceServers: [{ urls: 'turn:host' }] });

  call.hangUp();
  let asked = 0;
  calls({ iceServers: async () => [{ urls: `turn:host-${++asked}` }], iceTransportPolicy: 'relay' });
  assert.equal('iceServers' in sent('join')[0], false);
  await connected('joined');
  connection().turns('failed');
  mock.timers.tick(2_000);
  await settled();
  assert.deepEqual(connection().configuration, { iceServers: [{ urls: 'turn:host-2' }], iceTransportPolicy: 'relay' });

  call.hangUp();
  calls({ iceServers: () => Promise.reject(new Error('no answer')) });
  await connected('joined');
  assert.deepEqual(errors, [{ type: 'error', code: 'ice-servers-failed', message: 'no answer' }]);
  assert.deepEqual(status(), { state: 'connected' });
});

test('when nothing connects in time, joining again starts over, until something does', async () => {
  socket.says({ type: 'pong' }, { type: 'joined' }, fromPeer({ type: 'offer', sdp: 'broken' }));
  await settled();
  assert.deepEqual(errors, [{ type: 'error', code: 'negotiation-failed', message: 'broken description' }]);
  mock.timers.tick(15_000);
  assert.equal(sent('join').length, 2);
  socket.says({ type: 'pong' });
  mock.timers.tick(29_999);
  assert.equal(sent('join').length, 2, 'each time it waits twice as long');
  mock.timers.tick(1);
  assert.equal(sent('join').length, 3);
  await connected('joined');
  socket.says({ type: 'pong' });
  mock.timers.tick(15_000);
  assert.equal(sent('join').length, 3);
});

for (const [role, stalled, failed] of [['ready', 2_000, 0], ['joined', 4_000, 2_000]]) {
  test(`the one told ${role} looks for another way when the connection stalls or fails`, async () => {
    await connected(role);
    for (const [state, delay] of [['disconnected', stalled], ['failed', failed]]) {
      const restarts = () => connection().log.filter((entry) => entry === 'restart').length;
      const before = restarts();
      connection().turns(state);
      assert.deepEqual(status(), { state: 'reconnecting' });
      mock.timers.tick(delay);
      await settled();
      assert.equal(restarts(), before + 1);
      connection().turns('connected');
      assert.equal(status().state, 'connected');
    }
    assert.equal(FakeConnection.made.length, 1);
  });
}

test('a connection that recovers by itself is left alone', async () => {
  await connected('ready');
  connection().turns('disconnected');
  connection().turns('connected');
  mock.timers.tick(10_000);
  await settled();
  assert.ok(!connection().log.includes('restart'));
});

test('another network is a reason to look for another way', async () => {
  await connected('ready');
  network.emit('change');
  await settled();
  assert.equal(connection().log.at(-1), 'local offer');
  assert.ok(connection().log.includes('restart'));
});

test('what cannot be mended is replaced', async () => {
  await connected('ready');
  socket.says({ type: 'pong' });
  connection().turns('failed');
  mock.timers.tick(10_000);
  assert.ok(connection().closed);
  assert.equal(sent('join').length, 2);
});

test('a peer that left is gone at once', async () => {
  await connected('ready');
  const first = connection();
  socket.says({ type: 'bye', userId: 'bob', reason: 'left' });
  assert.deepEqual(status(), { state: 'waiting', reason: 'left' });
  assert.ok(first.closed);
  assert.equal(call.connection, null);
});

test('so is one of which a server without reasons says no more than bye', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob' });
  assert.deepEqual(status(), { state: 'waiting', reason: 'left' });
});

test('a peer that was lost stays for as long as its media flows, and a while longer', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  mock.timers.tick(600_000);
  assert.deepEqual(status(), { state: 'connected' });
  connection().turns('disconnected');
  assert.deepEqual(status(), { state: 'reconnecting' });
  mock.timers.tick(20_000);
  assert.deepEqual(status(), { state: 'waiting', reason: 'lost' });
  assert.ok(connection().closed);
});

test('a peer that closed its connection while it was lost will not be back', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  connection().channel.closes();
  assert.deepEqual(status(), { state: 'waiting', reason: 'lost' });
});

test('a peer that is lost before anything flowed is not waited for', async () => {
  socket.says({ type: 'ready' });
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  assert.deepEqual(status(), { state: 'waiting', reason: 'lost' });
  assert.ok(connection().closed);
});

test("one's own socket may drop and return, and the one told joined goes on when it is asked", async () => {
  await connected('ready');
  const ours = session();
  returns({ type: 'joined' });
  assert.deepEqual(status(), { state: 'connected' });
  assert.equal(call.status.signaling, 'open');
  socket.says(fromPeer({ type: 'resume', session: ours }));
  await settled();
  assert.deepEqual(data(), [{ type: 'resumed', session: ours }]);
  mock.timers.tick(60_000);
  assert.equal(FakeConnection.made.length, 1);
});

test('the status tells of the socket, apart from the call', async () => {
  await connected('ready');
  socket.drops(1012);
  assert.deepEqual(
    [call.status.state, call.status.signaling, call.status.retry.code],
    ['connected', 'reconnecting', 1012],
  );
});

test('the one told ready asks, and goes on when the peer still holds the same', async () => {
  await connected('ready');
  const ours = session();
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' }, { type: 'ready' });
  assert.deepEqual(data().at(-1), { type: 'resume', session: ours });
  socket.says(fromPeer({ type: 'resumed', session: ours }));
  mock.timers.tick(60_000);
  await settled();
  assert.equal(FakeConnection.made.length, 1);
  assert.deepEqual(status(), { state: 'connected' });
});

for (const [what, answer] of [
  ['holds nothing', () => socket.says(fromPeer({ type: 'resumed', session: null }))],
  ['holds something else', () => socket.says(fromPeer({ type: 'resumed', session: 'other' }))],
  ['does not answer', () => mock.timers.tick(3_000)],
]) {
  test(`a peer that ${what} is offered a new connection`, async () => {
    await connected('ready');
    const first = connection();
    socket.says({ type: 'ready' });
    answer();
    await settled();
    assert.ok(first.closed);
    assert.equal(descriptions().at(-1), 'offer of 2');
    assert.notEqual(data().at(-1).session, data().find(({ sdp }) => sdp === 'offer of 1').session);
  });
}

test('a peer that knows nothing of sessions is not asked', async () => {
  await connected('ready', { stranger: true });
  socket.says({ type: 'ready' });
  await settled();
  assert.deepEqual(descriptions(), ['offer of 1', 'offer of 2']);
  assert.ok(!data().some(({ type }) => type === 'resume'));
});

test('after coming back, whoever asks for or offers something else is followed', async () => {
  for (const said of [
    { type: 'resume', session: 'other' },
    { type: 'offer', sdp: 'new', session: 'other' },
    { type: 'offer', sdp: 'of a stranger' },
  ]) {
    await connected('ready');
    mock.timers.tick(10_000);
    const first = connection();
    returns({ type: 'joined' }, fromPeer(said));
    await settled();
    assert.ok(first.closed);
    if (said.type === 'offer') assert.deepEqual(connection().log, [`remote ${said.sdp}`, 'local answer']);
    else assert.deepEqual(data(), [{ type: 'resumed', session: null }]);
    socket.says({ type: 'bye', reason: 'left' });
  }
});

test('an offer of the same session says that the peer still holds it', async () => {
  await connected('joined');
  returns({ type: 'joined' }, fromPeer({ type: 'offer', sdp: 'more', session: 'of bob' }));
  await settled();
  assert.deepEqual(connection().log.slice(-2), ['remote more', 'local answer']);
  mock.timers.tick(60_000);
  assert.equal(FakeConnection.made.length, 1);
});

test('a peer that gave up waiting and offers anew is followed', async () => {
  await connected('joined');
  socket.says(fromPeer({ type: 'offer', sdp: 'new', session: 'other' }));
  await settled();
  assert.equal(FakeConnection.made.length, 2);
  assert.deepEqual(connection().log, ['remote new', 'local answer']);
});

test('who has just offered does not take the offer of a session from before', async () => {
  socket.says({ type: 'ready' });
  await settled();
  socket.says(fromPeer({ type: 'offer', sdp: 'late', session: 'from before' }));
  await settled();
  assert.deepEqual(connection().log, ['local offer']);
});

test('who comes back and is told nothing by the peer starts over', async () => {
  await connected('joined');
  returns({ type: 'joined' }, { type: 'pong' });
  mock.timers.tick(10_000);
  assert.equal(sent('join').length, 2);
  assert.ok(connection().closed);
});

test('nothing is negotiated while nobody hears it, and all of it is when the peer is back', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  call.addTrack(new FakeStream('', 'video').tracks[0]);
  connection().onicecandidate({ candidate: { candidate: 'unheard' } });
  await settled();
  assert.deepEqual(descriptions(), ['offer of 1']);
  socket.says({ type: 'ready' }, fromPeer({ type: 'resumed', session: session() }));
  await settled();
  assert.deepEqual(descriptions(), ['offer of 1', 'offer of 1']);
  assert.deepEqual(sent('candidate'), []);
});

test('an offer that was lost with its hearer is made again', async () => {
  await connected('ready');
  call.addTrack(new FakeStream('', 'video').tracks[0]);
  await settled();
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' }, { type: 'ready' });
  socket.says(fromPeer({ type: 'resumed', session: session() }));
  await settled();
  assert.deepEqual(descriptions(), ['offer of 1', 'offer of 1', 'offer of 1']);
});

test('what broke while one of both was away is mended when both are back', async () => {
  await connected('ready');
  socket.says({ type: 'bye', userId: 'bob', reason: 'lost' });
  connection().turns('disconnected');
  socket.says({ type: 'ready' }, fromPeer({ type: 'resumed', session: session() }));
  await settled();
  assert.ok(connection().log.includes('restart'));
  assert.equal(FakeConnection.made.length, 1);
});

test('without the server there is nothing to wait for yet, and it is told once', () => {
  socket.says({ type: 'created' });
  socket.drops(1006);
  assert.deepEqual(status(), { state: 'reconnecting' });
  mock.timers.tick(500);
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'created' }, { type: 'roomInfo', users: [] });
  assert.deepEqual(
    statuses.map(({ state, signaling }) => `${state} ${signaling}`),
    ['joining connecting', 'joining open', 'waiting open', 'reconnecting reconnecting', 'reconnecting open', 'waiting open'],
  );
});

test('a call that has ended is held by nothing', () => {
  const [listens, lets] = ['addEventListener', 'removeEventListener'].map((name) => mock.method(network, name));
  calls({ media });
  call.hangUp();
  assert.ok(listens.mock.callCount() > 0);
  assert.equal(lets.mock.callCount(), listens.mock.callCount());
  mock.restoreAll();
});

test('hanging up says bye, closes everything, and is the end', async () => {
  await connected('ready');
  call.hangUp();
  assert.deepEqual(sent('bye'), [{ type: 'bye' }]);
  assert.equal(socket.closedWith, 1000);
  assert.ok(connection().closed);
  assert.deepEqual(status(), { state: 'ended' });
  const told = statuses.length;
  call.hangUp();
  network.emit('change');
  mock.timers.tick(3_600_000);
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(statuses.length, told);
});

test('an error in answer to the join ends the call', () => {
  const error = { code: 'invalid-message', message: 'userId is too long' };
  socket.says({ type: 'error', ...error });
  assert.deepEqual(status(), { state: 'ended', error });
  assert.equal(socket.closedWith, 1000);
});

test('one that will pass does not', () => {
  socket.says({ type: 'error', code: 'rate-limited', message: 'Slow down' });
  assert.deepEqual(status(), { state: 'joining' });
});

test('a server that cannot let anybody in at the moment is tried again', () => {
  socket.says({ type: 'error', code: 'unavailable', message: 'No room can be joined at the moment' });
  socket.drops(1013);
  assert.equal(status().state, 'joining');
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 2);
});

test('an error later on is told and costs nothing; that the peer is absent is known already', async () => {
  await connected('ready');
  socket.says({ type: 'error', code: 'rate-limited', message: 'Slow down' });
  socket.says({ type: 'error', code: 'peer-absent', message: 'Your peer is not connected' });
  assert.deepEqual(errors, [{ type: 'error', code: 'rate-limited', message: 'Slow down' }]);
  assert.deepEqual(status(), { state: 'connected' });
});

test('a connection that was replaced ends the call and says why', async () => {
  await connected('ready');
  socket.says({ type: 'error', code: 'replaced', message: 'Elsewhere' });
  socket.drops(4001);
  assert.deepEqual(status(), { state: 'ended', code: 4001, error: { code: 'replaced', message: 'Elsewhere' } });
  assert.ok(connection().closed);
});

test('a call that the app ended is over, and its media with it', async () => {
  await connected('ready');
  socket.says({ type: 'error', code: 'ended', message: 'Your time is over' });
  socket.drops(4004);
  assert.deepEqual(status(), { state: 'ended', code: 4004, error: { code: 'ended', message: 'Your time is over' } });
  assert.ok(connection().closed);
});

test('a call is joined once; the next one is a new Call', async () => {
  await connected('ready');
  call.join('alice', 'carol');
  call.join('alice', 'bob');
  assert.deepEqual(errors.map(({ code }) => code), ['already-joined', 'already-joined']);
  assert.equal(call.status.peer, 'bob');
  assert.equal(sent('join').length, 1);

  socket.says({ type: 'error', code: 'replaced', message: '' });
  socket.drops(4001);
  assert.equal(status().state, 'ended');
  call.join('alice', 'bob');
  assert.equal(errors.at(-1).code, 'call-ended');
  assert.equal(FakeSocket.made.length, 1);
  call.hangUp();
  call.hangUp();
  assert.equal(status().code, 4001);
});

test('who is asked for a token, or for servers, may reject with nothing', async () => {
  call.hangUp();
  calls({ media, iceServers: () => Promise.reject() }, { token: () => Promise.reject() });
  await settled();
  mock.timers.tick(500);
  assert.deepEqual(errors.map(({ code }) => code), ['token-failed']);
  call.hangUp();
  calls({ media, iceServers: () => Promise.reject() });
  socket.says({ type: 'joined' });
  await settled();
  assert.deepEqual(errors.map(({ code }) => code), ['ice-servers-failed']);
  assert.ok(errors[0].message);
});

for (const [heard, problem] of [[false, 'no-answer'], [true, 'no-path']]) {
  test(`after 15 seconds without a connection the status says ${problem}`, async () => {
    socket.says({ type: 'joined' });
    mock.timers.tick(5_000);
    if (heard) socket.says(fromPeer({ type: 'offer', sdp: 'first', session: 's' }));
    await settled();
    mock.timers.tick(9_999);
    assert.deepEqual(status(), { state: 'connecting' });
    mock.timers.tick(1);
    assert.deepEqual(status(), { state: 'connecting', problem });
    socket.says({ type: 'bye', reason: 'left' });
    assert.deepEqual(status(), { state: 'waiting', reason: 'left' });
  });
}

test('a description that the server refused as too long is replaced by that of a fresh connection', async () => {
  await connected('ready');
  socket.says({ type: 'pong' });
  const [first, name] = [connection(), session()];
  first.padding = 'x'.repeat(70_000);
  call.addTrack(new FakeStream('', 'video').tracks[0]);
  await settled();
  socket.drops(1009);
  mock.timers.tick(500);
  socket = FakeSocket.last;
  socket.opens();
  socket.says({ type: 'created' }, { type: 'ready' }, fromPeer({ type: 'resumed', session: name }));
  await settled();
  assert.deepEqual(errors.map(({ code }) => code), ['message-too-long']);
  assert.ok(first.closed);
  assert.equal(sent('join').length, 2);
  socket.says({ type: 'ready' });
  await settled();
  assert.deepEqual(descriptions(), ['offer of 2']);
});

test('credentials that end soon are replaced by fresh ones before they are used', async () => {
  const until = (seconds) => [{ urls: 'turn:host', username: `${Math.round(Date.now() / 1000) + seconds}:a`, credential: 'b' }];
  const [good, old, fresh] = [until(300), until(30), until(600)];
  for (const [given, used] of [[good, good], [old, fresh], [until(-300), fresh], [[{ urls: 'stun:host' }], [{ urls: 'stun:host' }]]]) {
    server.asked = undefined;
    server.iceServers = fresh;
    call.hangUp();
    calls({ media }, { token: async () => 'good' });
    await settled();
    socket.says({ type: 'joined', iceServers: given });
    await settled();
    assert.deepEqual(connection().configuration, { iceServers: used });
    assert.deepEqual(server.asked, used === fresh ? ['https://host/ice-servers', { Authorization: 'Bearer good' }] : undefined);
  }
  server.iceServers = null;
  call.hangUp();
  calls({ media });
  socket.says({ type: 'joined', iceServers: old });
  await settled();
  assert.deepEqual(connection().configuration, { iceServers: old }, 'old ones are better than none');
  assert.equal(errors[0].code, 'ice-servers-failed');
});

const EXPIRED = { code: 'unauthorized', message: 'Unauthorized: the token has expired' };

/** Drops the socket, and is not let in again. */
async function expires() {
  await settled();
  socket.drops(1012);
  mock.timers.tick(500);
  socket = FakeSocket.last;
  socket.opens();
  await settled();
  socket.says({ type: 'error', ...EXPIRED });
  socket.drops(4003);
}

test('a call that flows when its token has expired goes on, and comes back with a fresh one', async () => {
  const tokens = ['old'];
  call.hangUp();
  calls({ media, iceServers: [] }, { token: () => tokens.at(-1) });
  await settled();
  await connected('joined');
  await expires();
  const { state, signaling, retry } = call.status;
  assert.deepEqual([state, signaling, retry.error], ['connected', 'reconnecting', EXPIRED]);
  const attempts = FakeSocket.made.length;
  for (let round = 0; round < 20; round++) {
    mock.timers.tick(30_000);
    await settled();
  }
  assert.equal(FakeSocket.made.length, attempts, 'the same token is not shown again');
  assert.equal(status().state, 'connected');
  tokens.push('fresh');
  mock.timers.tick(30_000);
  await settled();
  FakeSocket.last.opens();
  await settled();
  assert.equal(sent('join').at(-1).token, 'fresh');
  FakeSocket.last.says({ type: 'created' });
  assert.deepEqual(status(), { state: 'connected' });
});

test('with a token that stays what it is the call goes on without the server, until nothing flows', async () => {
  call.hangUp();
  calls({ media, iceServers: [] }, { token: 'old' });
  await settled();
  await connected('joined');
  await expires();
  assert.deepEqual(status(), { state: 'connected', error: EXPIRED });
  assert.equal(call.status.signaling, 'closed');
  connection().turns('disconnected');
  mock.timers.tick(20_000);
  assert.deepEqual(status(), { state: 'ended', code: 4003, error: EXPIRED });
  assert.ok(connection().closed);
});

test('a call that does not flow ends with its token', async () => {
  call.hangUp();
  calls({ media, iceServers: [] }, { token: 'old' });
  await settled();
  socket.says({ type: 'created' });
  await expires();
  assert.deepEqual(status(), { state: 'ended', code: 4003, error: EXPIRED });
});

test('who was never let in is refused for good, with a function too', async () => {
  call.hangUp();
  calls({ media, iceServers: [] }, { token: () => 'wrong' });
  await settled();
  socket.says({ type: 'error', ...EXPIRED });
  socket.drops(4003);
  assert.equal(status().state, 'ended');
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1 + 1);
});

for (const deaf of [true, false]) {
  test(`a track that stays muted after a description, and ${deaf ? 'is' : 'is not'} sent, is ${deaf ? '' : 'not '}healed`, async () => {
    await connected('joined');
    const [first, joins] = [connection(), sent('join').length];
    first.receivers = [{ track: { id: 'T', muted: true } }];
    first.stats = new Map([['I', { type: 'inbound-rtp', trackIdentifier: 'T', packetsReceived: 7 }]]);
    call.addTrack(new FakeStream('', 'video').tracks[0]);
    await settled();
    socket.says(fromPeer({ type: 'offer', sdp: 'crossing', session: 'of bob' }));
    await settled();
    if (deaf) first.stats.get('I').packetsReceived = 8;
    mock.timers.tick(2_000);
    await settled();
    assert.equal(first.closed, deaf);
    assert.equal(sent('join').length - joins, deaf ? 1 : 0);
  });
}
