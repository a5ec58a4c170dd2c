import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { network } from '../../signaling/web/static/client/network.js';
import { SignalingClient } from '../../signaling/web/static/client/signaling.js';
import { FakeSocket, record, server, settled } from './doubles.js';

let client, events;

beforeEach(() => {
  client?.close();
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  FakeSocket.made = [];
  server.rejection = null;
  client = new SignalingClient('wss://host/ws', { WebSocket: FakeSocket });
  events = record(client, 'created', 'joined', 'ready', 'message', 'bye', 'error', 'open', 'reconnecting', 'closed');
});

const types = () => events.map(({ type }) => type);
/** What was asked of the server, but for the pings. */
const asked = () => FakeSocket.last.sent.filter(({ type }) => type !== 'ping');
const pings = () => FakeSocket.last.sent.length - asked().length;
const roomInfo = (...ids) => ({ type: 'roomInfo', users: ids.map(([id, userId]) => ({ id, userId })) });

/** In the room, and the peer as well. */
function joined(reply = 'joined') {
  client.join('alice', 'bob');
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: reply, room: 'room_alice_bob' });
  return FakeSocket.last;
}

/** Back in the room after a drop. */
function returns(reply) {
  mock.timers.tick(500);
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: reply, room: 'room_alice_bob' });
}

test('joining opens the socket, and is said as soon as that is open', () => {
  client.join('alice', 'bob', { token: 'secret', iceServers: true });
  assert.equal(client.state, 'connecting');
  assert.deepEqual(FakeSocket.last.sent, []);
  FakeSocket.last.opens();
  assert.equal(client.state, 'open');
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'secret', resume: true, iceServers: true }]);
});

test('a socket may be open before there is a room to join', () => {
  client.connect();
  client.connect();
  FakeSocket.last.opens();
  assert.deepEqual(asked(), []);
  mock.timers.tick(15_000);
  client.join('alice', 'bob');
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob' }]);
  assert.equal(FakeSocket.made.length, 1);
});

test('each request has the shape the protocol gives it', () => {
  joined();
  client.send({ any: 'value' });
  client.candidate({ candidate: 'c', sdpMid: '0' });
  client.leave();
  assert.deepEqual(asked().slice(1), [
    { type: 'message', data: { any: 'value' } },
    { type: 'candidate', candidate: { candidate: 'c', sdpMid: '0' } },
    { type: 'bye' },
  ]);
});

test('what the server says becomes an event of that name', () => {
  joined('created').says({ type: 'message', data: 1, from: 'bob' }, { type: 'error', code: 'peer-absent', message: 'No' });
  assert.deepEqual(events, [
    { type: 'open' },
    { type: 'created', room: 'room_alice_bob' },
    { type: 'message', data: 1, from: 'bob' },
    { type: 'error', code: 'peer-absent', message: 'No' },
  ]);
});

test('a listener is given the detail, until it is taken away again', () => {
  const heard = [];
  const off = client.on('message', ({ data }) => heard.push(data));
  joined().says({ type: 'message', data: 1 });
  off();
  FakeSocket.last.says({ type: 'message', data: 2 });
  assert.deepEqual(heard, [1]);
});

for (const code of [1001, 1005, 1006, 1009, 1011, 1012, 1013, 4008]) {
  test(`after ${code} it comes back and joins again`, () => {
    joined().drops(code);
    assert.equal(client.state, 'reconnecting');
    assert.deepEqual(client.retry, { code, delay: client.retry.delay });
    assert.deepEqual(events.at(-1), { type: 'reconnecting', ...client.retry });
    mock.timers.tick(500);
    assert.equal(FakeSocket.made.length, 2);
    FakeSocket.last.opens();
    assert.equal(client.retry, null);
    assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob' }]);
  });
}

for (const code of [1008, 4001, 4003, 4004]) {
  test(`after ${code} it stays away`, () => {
    joined().drops(code);
    assert.deepEqual(events.at(-1), { type: 'closed', code });
    network.emit('change');
    mock.timers.tick(3_600_000);
    assert.equal(FakeSocket.made.length, 1);
  });
}

for (const [message, code, closeCode] of [
  ['You have been disconnected due to a new connection from your account', 'replaced', 4001],
  ['User cannot connect to themselves', 'self-connection', 1008],
]) {
  test(`a server without codes is understood when it says ${code}, and closes without one`, () => {
    joined().says({ type: 'error', message });
    FakeSocket.last.drops(1005);
    assert.deepEqual(events.slice(-2), [
      { type: 'error', code, message },
      { type: 'closed', code: closeCode, error: { code, message } },
    ]);
  });
}

test('any other sentence of such a server is an error of its own', () => {
  joined().says({ type: 'error', message: 'Out of order' });
  assert.deepEqual(events.at(-1), { type: 'error', code: 'unknown', message: 'Out of order' });
});

test('attempts get rarer, up to half a minute, never all clients at once, and start afresh after a while in the room', async () => {
  mock.method(Math, 'random', () => 0.5);
  joined().drops(1006);
  for (let attempt = 1; attempt < 9; attempt++) {
    mock.timers.tick(30_000);
    FakeSocket.last.drops(1006);
    await settled();
  }
  for (const seconds of [9, 10]) {
    mock.timers.tick(30_000);
    FakeSocket.last.opens();
    FakeSocket.last.says({ type: 'created' });
    mock.timers.tick(seconds * 1_000);
    FakeSocket.last.drops(1006);
  }
  const delays = events.filter(({ type }) => type === 'reconnecting').map(({ delay }) => delay);
  assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000, 250]);
  mock.restoreAll();
});

test('after a restart of the server not even two clients come back in one moment', () => {
  const delays = [0, 0.999].map((chance) => {
    mock.method(Math, 'random', () => chance);
    joined().drops(1012);
    const { delay } = client.retry;
    client.close();
    mock.restoreAll();
    return Math.round(delay);
  });
  assert.deepEqual(delays, [0, 500]);
});

test('on another network it does not wait for its turn', () => {
  joined().drops(1006);
  network.emit('change');
  assert.equal(FakeSocket.made.length, 2);
  mock.timers.tick(500);
  assert.equal(FakeSocket.made.length, 2);
});

test('a server that opens the socket and then does not let anybody in is given up', () => {
  client.join('alice', 'bob');
  FakeSocket.last.opens();
  mock.timers.tick(15_000);
  assert.equal(events.at(-1).type, 'reconnecting');
});

test('a join that comes at a bad time is said again on the next socket', () => {
  client.join('alice', 'bob');
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'error', code: 'rate-limited', message: 'Slow down' });
  mock.timers.tick(15_000);
  returns('created');
  assert.equal(events.at(-1).type, 'created');
});

test('a join that is wrong is not', () => {
  client.join('alice', 'bob');
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'error', code: 'invalid-message', message: 'Invalid message: userId' });
  mock.timers.tick(3_600_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('who has left the room is not brought back into it', () => {
  joined();
  client.leave();
  FakeSocket.last.drops(1006);
  mock.timers.tick(500);
  FakeSocket.last.opens();
  assert.deepEqual(asked(), []);
});

test('a token that is asked for is fresh in every join', async () => {
  let number = 0;
  client.join('alice', 'bob', { token: async () => `token ${++number}` });
  FakeSocket.last.opens();
  assert.deepEqual(asked(), []);
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'token 1', resume: true }]);
  FakeSocket.last.says({ type: 'created' }, { type: 'pong' });
  client.restart();
  await settled();
  assert.equal(asked().at(-1).token, 'token 2');
  FakeSocket.last.drops(1006);
  returns('created');
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'token 3', resume: true }]);
});

test('a ticket brings us back, also with the token before', async () => {
  let token = 'first';
  client.join('alice', 'bob', {
    token: () => {
      if (!token) throw new Error('Failed to fetch');
      return token;
    },
  });
  FakeSocket.last.opens();
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'first', resume: true }]);
  FakeSocket.last.says({ type: 'joined', room: 'room_alice_bob', resume: 'ticket 1' });
  FakeSocket.last.drops(1012);
  mock.timers.tick(500);
  FakeSocket.last.opens();
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'first', resume: 'ticket 1' }]);
  FakeSocket.last.says({ type: 'joined', room: 'room_alice_bob', resume: 'ticket 2' });
  token = undefined;
  FakeSocket.last.drops(1012);
  mock.timers.tick(1_000);
  FakeSocket.last.opens();
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'first', resume: 'ticket 2' }]);
  assert.ok(!types().includes('error'));
});

test('a ticket is for one room', async () => {
  client.join('alice', 'bob', { token: 'first' });
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'joined', room: 'room_alice_bob', resume: 'ticket' });
  client.join('alice', 'carol', { token: 'second' });
  assert.deepEqual(asked().at(-1), { type: 'join', userId: 'alice', remoteId: 'carol', token: 'second', resume: true });
});

test('a ticket that was refused is not shown again', async () => {
  let token = 'old';
  client.join('alice', 'bob', { token: () => token });
  FakeSocket.last.opens();
  await settled();
  FakeSocket.last.says({ type: 'joined', room: 'room_alice_bob', resume: 'ticket' });
  FakeSocket.last.drops(1012);
  mock.timers.tick(500);
  FakeSocket.last.opens();
  await settled();
  FakeSocket.last.says({ type: 'error', code: 'unauthorized', message: 'Unauthorized: the token has expired' });
  FakeSocket.last.drops(4003);
  token = 'fresh';
  for (let attempt = 0; attempt < 3; attempt++) {
    mock.timers.tick(2_000);
    await settled();
  }
  FakeSocket.last.opens();
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'fresh', resume: true }]);
});

test('where the page has no token, none is sent', async () => {
  client.join('alice', 'bob', { token: () => undefined });
  FakeSocket.last.opens();
  await settled();
  assert.deepEqual(asked(), [{ type: 'join', userId: 'alice', remoteId: 'bob' }]);
});

test('a token that cannot be had is an error, and is asked for again later', async () => {
  let online = false;
  client.join('alice', 'bob', {
    token: async () => {
      if (!online) throw new Error('Failed to fetch');
      return 'fresh';
    },
  });
  const first = FakeSocket.last;
  first.opens();
  await settled();
  assert.deepEqual(events.at(-1), { type: 'error', code: 'token-failed', message: 'Failed to fetch' });
  assert.equal(client.state, 'reconnecting');
  assert.equal(first.sent.length, 0);
  online = true;
  mock.timers.tick(500);
  FakeSocket.last.opens();
  await settled();
  assert.equal(asked()[0].token, 'fresh');
});

for (const [what, happens] of [
  ['left', () => client.leave()],
  ['closed', () => client.close()],
  ['dropped', () => FakeSocket.last.drops(1006)],
]) {
  test(`a token that comes when one has ${what} is not used`, async () => {
    let answer;
    client.join('alice', 'bob', { token: () => new Promise((resolve) => (answer = resolve)) });
    FakeSocket.last.opens();
    const socket = FakeSocket.last;
    happens();
    answer('late');
    await settled();
    assert.deepEqual(socket.sent.filter(({ type }) => type === 'join'), []);
  });
}

test('who closes for want of a token is not brought back', async () => {
  client.on('error', () => client.close());
  client.join('alice', 'bob', { token: () => Promise.reject(new Error('logged out')) });
  FakeSocket.last.opens();
  await settled();
  mock.timers.tick(60_000);
  assert.equal(client.state, 'closed');
  assert.equal(FakeSocket.made.length, 1);
});

test('a join that is not allowed is the end, and says why', async () => {
  client.join('alice', 'bob', { token: () => 'old' });
  FakeSocket.last.opens();
  await settled();
  const error = { code: 'unauthorized', message: 'Unauthorized: the token has expired' };
  FakeSocket.last.says({ type: 'error', ...error });
  FakeSocket.last.drops(4003);
  assert.deepEqual(events.slice(-2), [{ type: 'error', ...error }, { type: 'closed', code: 4003, error }]);
  mock.timers.tick(3_600_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('where the page has no token, a return that is not allowed is the end', async () => {
  client.join('alice', 'bob', { token: () => undefined });
  FakeSocket.last.opens();
  await settled();
  FakeSocket.last.says({ type: 'joined', room: 'room_alice_bob' });
  FakeSocket.last.drops(1012);
  mock.timers.tick(500);
  FakeSocket.last.opens();
  await settled();
  const error = { code: 'unauthorized', message: 'Unauthorized: nobody is logged in' };
  FakeSocket.last.says({ type: 'error', ...error });
  FakeSocket.last.drops(4003);
  assert.deepEqual(events.at(-1), { type: 'closed', code: 4003, error });
});

test('closing is the end of it, and nobody needs to be told', () => {
  const socket = joined();
  client.close();
  assert.equal(socket.closedWith, 1000);
  assert.equal(client.state, 'closed');
  mock.timers.tick(3_600_000);
  network.emit('change');
  assert.equal(FakeSocket.made.length, 1);
  assert.deepEqual(types(), ['open', 'joined']);
});

test('closing while it waits to come back calls that off', () => {
  joined().drops(1006);
  client.close();
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('a closed client can be used again', () => {
  joined();
  client.close();
  joined();
  assert.equal(client.state, 'open');
  assert.equal(FakeSocket.made.length, 2);
});

test('a socket that answers pings is kept, one that has gone silent is given up', () => {
  const socket = joined();
  assert.equal(pings(), 1);
  socket.says({ type: 'pong' });
  mock.timers.tick(20_000);
  assert.equal(pings(), 2);
  socket.says({ type: 'pong' });
  mock.timers.tick(20_000);
  mock.timers.tick(8_000);
  assert.equal(socket.closedWith, 4008);
  assert.deepEqual(events.at(-1), { type: 'reconnecting', code: 1006, delay: client.retry.delay });
});

test('whatever is heard is a sign of life', () => {
  const socket = joined();
  socket.says({ type: 'pong' });
  mock.timers.tick(20_000);
  socket.says({ type: 'message', data: 'busy' });
  mock.timers.tick(19_000);
  assert.equal(socket.closedWith, undefined);
});

test('a server that never answered a ping is not given up for that', () => {
  const socket = joined();
  mock.timers.tick(3_600_000);
  assert.equal(socket.closedWith, undefined);
  assert.ok(pings() > 10);
});

for (const what of ['change', 'wake']) {
  test(`on ${what} of the network the socket is tried at once`, () => {
    const socket = joined();
    socket.says({ type: 'pong' });
    network.emit(what);
    mock.timers.tick(8_000);
    assert.equal(socket.closedWith, 4008);
  });
}

test('what is sent while the socket is away arrives when both are there again, in order', () => {
  joined().drops(1006);
  client.send(1);
  client.candidate({ candidate: 'c' });
  returns('created');
  client.send(2);
  assert.deepEqual(asked().slice(1), []);
  FakeSocket.last.says({ type: 'ready' });
  client.send(3);
  assert.deepEqual(asked().slice(1), [
    { type: 'message', data: 1 },
    { type: 'candidate', candidate: { candidate: 'c' } },
    { type: 'message', data: 2 },
    { type: 'message', data: 3 },
  ]);
});

test('so does what is sent while the peer is lost, but not after it left', () => {
  const socket = joined();
  socket.says(roomInfo(['1', 'alice'], ['2', 'bob']), { type: 'bye', id: '2', userId: 'bob', reason: 'lost' });
  client.send('later');
  socket.says({ type: 'ready' });
  assert.deepEqual(asked().at(-1), { type: 'message', data: 'later' });
  socket.says(roomInfo(['1', 'alice'], ['3', 'bob']), { type: 'bye', id: '3', userId: 'bob', reason: 'left' });
  client.send('in vain');
  assert.deepEqual(asked().at(-1), { type: 'message', data: 'in vain' });
});

test('no more than a negotiation may need is kept, and who sends too much is told', () => {
  joined().drops(1006);
  for (let number = 0; number < 257; number++) client.send(number);
  assert.equal(events.at(-1).code, 'buffer-full');
  returns('joined');
  assert.equal(asked().length, 257);
  assert.equal(asked().at(-1).data, 255);
});

test('a goodbye for a connection that has long been followed by another is not passed on', () => {
  joined().says(roomInfo(['1', 'alice'], ['2', 'bob']), { type: 'ready' }, roomInfo(['1', 'alice'], ['3', 'bob']));
  FakeSocket.last.says({ type: 'bye', id: '2', userId: 'bob' });
  assert.ok(!types().includes('bye'));
  FakeSocket.last.says({ type: 'bye', id: '3', userId: 'bob' });
  assert.ok(types().includes('bye'));
});

test('beginning anew is another join, or leaving first where a second join would throw one out', () => {
  const socket = joined();
  client.restart();
  assert.deepEqual(asked().map(({ type }) => type), ['join', 'bye', 'join']);
  socket.says({ type: 'pong' });
  client.restart();
  assert.deepEqual(asked().map(({ type }) => type), ['join', 'bye', 'join', 'join']);
});

test('a page that the server refuses is told so, once, and does not come back', async () => {
  server.rejection = { code: 'origin-refused', message: 'This origin is not allowed.' };
  client.join('alice', 'bob');
  FakeSocket.last.drops(1006);
  await settled();
  assert.deepEqual(server.asked, ['POST', 'https://host/ws']);
  assert.deepEqual(events.at(-1), { type: 'closed', code: 1006, error: server.rejection });
  mock.timers.tick(3_600_000);
  assert.equal(FakeSocket.made.length, 1);
});

for (const code of ['server-full', 'address-limited']) {
  test(`a server that says ${code} is asked again at a decent pace, and says why`, async () => {
    server.rejection = { code, message: 'Too many' };
    client.join('alice', 'bob');
    FakeSocket.last.drops(1006);
    await settled();
    assert.deepEqual(client.retry.error, server.rejection);
    assert.equal(client.state, 'reconnecting');
    mock.timers.tick(9_999);
    assert.equal(FakeSocket.made.length, 1);
    mock.timers.tick(10_001);
    assert.equal(FakeSocket.made.length, 2);
  });
}

test('an answer of somebody else is no refusal, and one that comes late changes nothing', async () => {
  server.rejection = { code: 'not-found', message: 'Nothing here' };
  client.join('alice', 'bob');
  FakeSocket.last.drops(1006);
  await settled();
  assert.equal(client.retry.error, undefined);
  server.rejection = { code: 'origin-refused', message: '' };
  mock.timers.tick(500);
  FakeSocket.last.drops(1006);
  network.emit('change');
  FakeSocket.last.opens();
  await settled();
  assert.equal(client.state, 'open');
});

test('a socket that was open and drops was not refused', async () => {
  server.asked = undefined;
  joined().drops(1006);
  await settled();
  assert.equal(server.asked, undefined);
});

test('what the server refused as too long is told, and never sent again', () => {
  const socket = joined();
  const data = 'x'.repeat(70_000);
  assert.equal(client.send(data), true);
  socket.drops(1009);
  assert.equal(client.send(data), true);
  assert.equal(client.send('short'), true);
  returns('joined');
  assert.equal(events.at(-2).code, 'message-too-long');
  assert.deepEqual(asked().slice(1), [{ type: 'message', data: 'short' }]);
  assert.equal(client.send(data), false);
  assert.equal(client.send('shorter'), true);
});

test('a machine that says that it is offline is believed after two seconds', () => {
  const socket = joined();
  socket.says({ type: 'pong' });
  network.emit('offline');
  mock.timers.tick(1_999);
  assert.equal(client.state, 'open');
  mock.timers.tick(1);
  assert.equal(client.state, 'reconnecting');

  returns('joined');
  FakeSocket.last.says({ type: 'pong' });
  network.emit('offline');
  FakeSocket.last.says({ type: 'pong' });
  mock.timers.tick(2_000);
  assert.equal(client.state, 'open', 'it was mistaken');
});

test('a page that goes says goodbye, and one that comes back joins again', () => {
  const socket = joined();
  network.emit('leave');
  assert.equal(asked().at(-1).type, 'bye');
  // The browser closes the socket of a page that it keeps.
  socket.drops(1001);
  network.emit('wake');
  FakeSocket.last.opens();
  assert.deepEqual(asked().map(({ type }) => type), ['join']);
});

test('an error of the socket is somebody\'s', () => {
  client.connect();
  assert.equal(typeof FakeSocket.last.onerror, 'function');
});
