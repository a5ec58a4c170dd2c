import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Call } from '../../signaling/web/static/client/call.js';
import { SignalingClient } from '../../signaling/web/static/client/signaling.js';
import { FakeConnection, FakeSocket, FakeStream, record, settled } from './doubles.js';

let media, call, socket, events;

beforeEach(() => {
  FakeSocket.made = [];
  FakeConnection.made = [];
  media = new FakeStream('camera', 'audio', 'video');
});

afterEach(() => call.hangUp());

/** In a call in which the peer made the offer, or waits for ours. */
async function calls(role = 'joined', options = { media }) {
  call = new Call(new SignalingClient('wss://host/ws', { WebSocket: FakeSocket }), {
    RTCPeerConnection: FakeConnection,
    iceServers: [],
    ...options,
  });
  events = record(call, 'media', 'screen', 'sharing', 'channel', 'message', 'error');
  call.join('alice', 'bob');
  socket = FakeSocket.last;
  socket.opens();
  socket.says({ type: role });
  await settled();
}

const says = async (data) => {
  socket.says({ type: 'message', from: 'bob', data });
  await settled();
};
const connection = () => FakeConnection.last;
const arrives = (stream, track = stream?.tracks[0]) => connection().ontrack({ track, streams: stream ? [stream] : [] });
const told = () => socket.sent.filter(({ type }) => type === 'message').map(({ data }) => data);
const sends = () => connection().senders.map(({ track, stream }) => [track, stream.id]);

test('the tracks of the media are sent as one stream, and each new connection is given the same', async () => {
  await calls();
  const [microphone, camera] = media.tracks;
  assert.deepEqual(sends(), [[microphone, 'camera'], [camera, 'camera']]);
  socket.says({ type: 'joined' });
  assert.equal(FakeConnection.made.length, 2);
  assert.deepEqual(sends(), [[microphone, 'camera'], [camera, 'camera']]);
});

test('who offers and has no camera says that it would see one', async () => {
  await calls('ready', { media: new FakeStream('microphone', 'audio') });
  assert.deepEqual(connection().log, ['recvonly video', 'local offer']);
});

test('another track takes the place of one, is taken out, and is remembered', async () => {
  await calls();
  const [microphone, camera] = media.tracks;
  const other = new FakeStream('', 'video').tracks[0];
  await call.replaceTrack(camera, other);
  assert.deepEqual(sends(), [[microphone, 'camera'], [other, 'camera']]);
  await call.replaceTrack(other, null);
  assert.deepEqual(sends(), [[microphone, 'camera'], [null, 'camera']]);
  socket.says({ type: 'joined' });
  await settled();
  assert.deepEqual(sends(), [[microphone, 'camera']]);
  await call.replaceTrack(camera, camera);
  assert.deepEqual(sends(), [[microphone, 'camera'], [camera, 'camera']]);
  call.removeTrack(camera);
  assert.deepEqual(sends(), [[microphone, 'camera']]);
});

test('the camera is changed while nobody is there to see it', async () => {
  await calls();
  const [, camera] = media.tracks;
  const other = new FakeStream('', 'video').tracks[0];
  socket.says({ type: 'bye', reason: 'left' });
  await call.replaceTrack(camera, other);
  socket.says({ type: 'ready' });
  assert.equal(sends()[1][0].kind, 'video');
  assert.equal(sends()[1][0], other);
});

const track = (kind = 'video') => new FakeStream('', kind).tracks[0];
const codes = () => events.filter(({ type }) => type === 'error').map(({ code }) => code);

test('a camera that stops and starts again and again is known by any track that was in its place', async () => {
  await calls();
  let [, before] = media.tracks;
  for (let round = 0; round < 5; round++) {
    const next = track();
    assert.equal(await call.replaceTrack(before, null), true);
    assert.equal(sends()[1][0], null);
    assert.equal(await call.replaceTrack(before, next), true);
    assert.equal(sends()[1][0], next);
    before = next;
  }
  assert.equal(await call.replaceTrack(media.tracks[1], null), true, 'the first one names it too');
  assert.equal(sends()[1][0], null);
  assert.equal(connection().transceivers.length, 2);
});

test('what is taken out and put in again takes the same place in the description', async () => {
  await calls();
  for (let round = 0; round < 5; round++) {
    assert.equal(call.shareScreen(new FakeStream('', 'video', 'audio')), true);
    assert.equal(sends().length, 4);
    call.stopSharing();
    const camera = track();
    assert.equal(call.addTrack(camera), true);
    assert.equal(sends().length, 3);
    assert.equal(call.removeTrack(camera), true);
    assert.equal(sends().length, 2);
  }
  assert.equal(connection().transceivers.length, 5);
});

test('a track that cannot be sent is an error with a code, and nothing is kept of it', async () => {
  await calls();
  const [microphone, camera] = media.tracks;
  const ended = track();
  ended.readyState = 'ended';
  const outcomes = [
    await call.replaceTrack(track(), track()),
    await call.replaceTrack(track(), null),
    await call.replaceTrack(camera, track('audio')),
    await call.replaceTrack(camera, ended),
    await call.replaceTrack(camera, microphone),
    call.addTrack(microphone),
    call.removeTrack(track()),
    call.addTrack(camera),
    call.addTrack(ended),
    call.shareScreen(new FakeStream('')),
  ];
  assert.deepEqual(outcomes, outcomes.map(() => false));
  assert.deepEqual(codes(), [
    'unknown-track', 'unknown-track', 'wrong-kind', 'track-ended', 'wrong-kind', 'already-sent',
    'unknown-track', 'already-sent', 'track-ended', 'track-ended',
  ]);
  socket.says({ type: 'joined' });
  await settled();
  assert.deepEqual(sends(), [[microphone, 'camera'], [camera, 'camera']]);
});

test('a track that the browser cannot encode leaves the one before in its place', async () => {
  await calls();
  const [microphone, camera] = media.tracks;
  const broken = Object.assign(track(), { broken: true });
  assert.equal(await call.replaceTrack(camera, broken), false);
  assert.deepEqual(codes(), ['replace-failed']);
  socket.says({ type: 'joined' });
  assert.deepEqual(sends(), [[microphone, 'camera'], [camera, 'camera']]);
});

test('a track that ends is taken out and told, and another one may take its place', async () => {
  await calls();
  call.shareScreen(new FakeStream('', 'video'));
  const [microphone, camera] = media.tracks;
  camera.ends();
  assert.deepEqual(codes(), ['track-ended']);
  call.stopSharing();
  assert.deepEqual(sends(), [[microphone, 'camera']]);
  const other = track();
  assert.equal(await call.replaceTrack(camera, other), true);
  assert.deepEqual(sends(), [[microphone, 'camera'], [other, 'camera']]);
  camera.ends();
  assert.deepEqual(codes(), ['track-ended']);
});

test('after the call nothing is sent, and whoever asks for it is told', async () => {
  await calls();
  call.hangUp();
  const outcomes = [
    await call.replaceTrack(media.tracks[0], null),
    call.addTrack(track()),
    call.removeTrack(media.tracks[0]),
    call.shareScreen(new FakeStream('', 'video')),
  ];
  assert.deepEqual(outcomes, [false, false, false, false]);
  assert.deepEqual(codes(), Array(4).fill('call-ended'));
});

test('a screen is sent as a stream of its own, named in the offer, and taken out when it ends', async () => {
  await calls();
  await says({ type: 'offer', sdp: 'first' });
  const screen = new FakeStream('screen', 'video', 'audio');
  call.shareScreen(screen);
  await settled();
  const { screen: id } = told().at(-1);
  assert.deepEqual(sends().slice(2), [[screen.tracks[0], id], [screen.tracks[1], id]]);
  await says({ type: 'answer', sdp: 'yes' });

  screen.tracks[1].ends();
  assert.ok(call.sharing);
  screen.tracks[0].ends();
  assert.ok(!call.sharing);
  assert.equal(sends().length, 2);
  await settled();
  assert.equal(told().at(-1).screen, null);
  assert.deepEqual(events, [{ type: 'sharing', detail: true }, { type: 'sharing', detail: false }]);
});

test('of two screens the second takes the place of the first, whose end then changes nothing', async () => {
  await calls();
  const [first, second] = [new FakeStream('1', 'video'), new FakeStream('2', 'video')];
  call.shareScreen(first);
  call.shareScreen(second);
  first.tracks[0].ends();
  assert.ok(call.sharing);
  assert.deepEqual(sends().slice(2).map(([track]) => track), [second.tracks[0]]);
});

test("the peer's stream that it names as its screen is its screen, in whatever order they come", async () => {
  await calls();
  await says({ type: 'offer', sdp: 'first', session: 's', screen: 'shared' });
  arrives(new FakeStream('shared', 'video'));
  arrives(new FakeStream('camera', 'video'));
  assert.deepEqual(events.map(({ type, id }) => [type, id]), [['screen', 'shared'], ['media', 'camera']]);
});

test("a stranger's second stream is its screen", async () => {
  await calls();
  await says({ type: 'offer', sdp: 'first' });
  const [camera, screen] = [new FakeStream('1', 'audio', 'video'), new FakeStream('2', 'video')];
  arrives(camera, camera.tracks[0]);
  arrives(camera, camera.tracks[1]);
  arrives(screen);
  assert.deepEqual(events.map(({ type, id }) => [type, id]), [['media', '1'], ['media', '1'], ['screen', '2']]);
});

test('a stream whose last track was taken out is gone', async () => {
  await calls();
  await says({ type: 'offer', sdp: 'first' });
  const camera = new FakeStream('1', 'audio', 'video');
  arrives(camera);
  camera.tracks.pop();
  camera.dispatchEvent(new Event('removetrack'));
  assert.equal(events.length, 1);
  camera.tracks.pop();
  camera.dispatchEvent(new Event('removetrack'));
  assert.deepEqual(events.at(-1), { type: 'media' });
});

test("when the peer is gone, so are its streams and the channel", async () => {
  await calls('ready');
  connection().channel.opens();
  arrives(new FakeStream('1', 'video'));
  socket.says({ type: 'bye', reason: 'left' });
  assert.deepEqual(events.slice(-2), [{ type: 'channel', detail: false }, { type: 'media' }]);
});

test('who offers opens the channel, and text goes over it while it is open', async () => {
  await calls('ready');
  assert.equal(call.send('too early'), false);
  connection().channel.opens();
  assert.equal(call.send('hello'), true);
  assert.equal(call.send('long'.repeat(100)), false);
  connection().channel.onmessage({ data: 'hello alice' });
  connection().channel.onmessage({ data: new ArrayBuffer(1) });
  assert.deepEqual(connection().channel.sent, ['hello']);
  assert.deepEqual(events, [{ type: 'channel', detail: true }, { type: 'message', detail: 'hello alice' }]);
});

test('who answers takes the channel that the peer opened, and the first of several', async () => {
  await calls('joined');
  assert.equal(connection().channel, undefined);
  const opened = [1, 2].map(() => ({ readyState: 'open', sent: [], send(text) { this.sent.push(text); } }));
  for (const channel of opened) connection().ondatachannel({ channel });
  call.send('hello');
  assert.deepEqual(opened.map(({ sent }) => sent), [['hello'], []]);
});
