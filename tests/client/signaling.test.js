import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { SignalingClient } from '../../signaling/static/signaling.js';
import { FakeSocket, record } from './doubles.js';

let client, events;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  FakeSocket.made = [];
  client = new SignalingClient('wss://host/ws', { WebSocket: FakeSocket });
  events = record(client, 'created', 'message', 'error', 'reconnecting', 'closed');
});

function joined() {
  client.join('alice', 'bob');
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'created', room: 'room_alice_bob' });
  return FakeSocket.last;
}

test('joining opens the socket, and is said as soon as that is open', () => {
  client.join('alice', 'bob', 'secret');
  assert.deepEqual(FakeSocket.last.sent, []);
  FakeSocket.last.opens();
  assert.deepEqual(FakeSocket.last.sent, [{ type: 'join', userId: 'alice', remoteId: 'bob', token: 'secret' }]);
});

test('each request has the shape the protocol gives it', () => {
  const socket = joined();
  client.send({ any: 'value' });
  client.candidate({ candidate: 'c', sdpMid: '0' });
  client.bye();
  assert.deepEqual(socket.sent.slice(1), [
    { type: 'message', data: { any: 'value' } },
    { type: 'candidate', candidate: { candidate: 'c', sdpMid: '0' } },
    { type: 'bye' },
  ]);
});

test('what the server says becomes an event of that name', () => {
  joined().says({ type: 'message', data: 1, from: 'bob' }, { type: 'error', code: 'peer-absent', message: 'Not here' });
  assert.deepEqual(events, [
    { type: 'created', room: 'room_alice_bob' },
    { type: 'message', data: 1, from: 'bob' },
    { type: 'error', code: 'peer-absent', message: 'Not here' },
  ]);
});

for (const code of [1001, 1006, 1009, 1011, 1012, 1013, 4008]) {
  test(`after ${code} it comes back and joins again`, () => {
    joined().drops(code);
    assert.equal(events.at(-1).type, 'reconnecting');
    assert.equal(events.at(-1).code, code);
    mock.timers.tick(500);
    assert.equal(FakeSocket.made.length, 2);
    FakeSocket.last.opens();
    assert.deepEqual(FakeSocket.last.sent, [{ type: 'join', userId: 'alice', remoteId: 'bob' }]);
  });
}

for (const code of [1008, 4001, 4003]) {
  test(`after ${code} it stays away`, () => {
    joined().drops(code);
    assert.deepEqual(events.at(-1), { type: 'closed', code });
    mock.timers.tick(3_600_000);
    assert.equal(FakeSocket.made.length, 1);
  });
}

test('attempts get rarer, up to half a minute, never all clients at once, and start afresh once joined', () => {
  const socket = joined();
  mock.method(Math, 'random', () => 0.5);
  socket.drops(1006);
  for (let attempt = 1; attempt < 9; attempt++) {
    mock.timers.tick(30_000);
    FakeSocket.last.drops(1006);
  }
  mock.timers.tick(30_000);
  FakeSocket.last.opens();
  FakeSocket.last.says({ type: 'created' });
  FakeSocket.last.drops(1006);
  const delays = events.filter(({ type }) => type === 'reconnecting').map(({ delay }) => delay);
  assert.deepEqual(delays, [375, 750, 1500, 3000, 6000, 12000, 22500, 22500, 22500, 375]);
  mock.restoreAll();
});

test('who has left the room is not brought back', () => {
  const socket = joined();
  client.bye();
  socket.drops(1006);
  assert.deepEqual(events.at(-1), { type: 'closed', code: 1006 });
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('closing while it waits to come back calls that off', () => {
  joined().drops(1006);
  client.close();
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('a socket that answers pings is kept, one that has gone silent is given up', () => {
  const socket = joined();
  mock.timers.tick(25_000);
  assert.deepEqual(socket.sent.at(-1), { type: 'ping' });
  socket.says({ type: 'pong' });
  mock.timers.tick(25_000);
  assert.equal(socket.closedWith, undefined);
  mock.timers.tick(25_000);
  assert.equal(socket.closedWith, 'no code');
  assert.equal(events.at(-1).type, 'reconnecting');
});

test('what is written while the socket is down is dropped', () => {
  joined().drops(1006);
  client.send('stale');
  mock.timers.tick(500);
  FakeSocket.last.opens();
  assert.deepEqual(FakeSocket.last.sent.map(({ type }) => type), ['join']);
});
