import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QualityMeter, currentPath } from '../../signaling/web/static/client/quality-meter.js';

const local = { id: 'L', type: 'local-candidate', candidateType: 'host', protocol: 'udp', address: '192.0.2.1' };
const remote = { id: 'R', type: 'remote-candidate', candidateType: 'srflx', protocol: 'udp' };
const pair = { id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', timestamp: 1_000, bytesSent: 1_000, bytesReceived: 500, currentRoundTripTime: 0.05 };
const transport = { id: 'T', type: 'transport', selectedCandidatePairId: 'P' };
const video = { id: 'V', type: 'inbound-rtp', packetsLost: 0, packetsReceived: 100, jitter: 0.01, frameWidth: 640, frameHeight: 480, framesPerSecond: 30 };
const audio = { id: 'A', type: 'inbound-rtp', packetsLost: 2, packetsReceived: 100, jitter: 0.02 };
const loss = { id: 'I', type: 'remote-inbound-rtp', fractionLost: 0.25 };

/** A connection whose statistics are these, one set for each time it is asked. */
function telling(...sets) {
  return { getStats: async () => new Map((sets.length > 1 ? sets.shift() : sets[0]).map((report) => [report.id, report])) };
}

test('while nothing is connected there is nothing to tell', async () => {
  assert.equal(await new QualityMeter().measure(telling([video])), null);
  assert.equal(await currentPath(telling([video])), undefined);
});

test('rates and losses are those since it was last asked', async () => {
  const later = { ...pair, timestamp: 3_000, bytesSent: 3_000, bytesReceived: 500 };
  const connection = telling(
    [local, remote, pair, transport, video, audio, loss],
    [local, remote, later, transport, { ...video, packetsReceived: 105, packetsLost: 3 }, audio, loss],
  );
  const meter = new QualityMeter();
  const first = await meter.measure(connection);
  assert.deepEqual([first.sent.bitrate, first.received.loss], [0, null]);
  assert.deepEqual(await meter.measure(connection), {
    path: 'direct',
    roundTrip: 0.05,
    local: { type: 'host', protocol: 'udp', address: '192.0.2.1' },
    remote: { type: 'srflx', protocol: 'udp' },
    sent: { bytes: 3_000, bitrate: 8_000, loss: 0.25, frameRate: null, width: null, height: null },
    received: { bytes: 500, bitrate: 0, loss: 3 / 8, frameRate: 30, width: 640, height: 480, jitter: 0.02 },
  });
});

test('another connection begins with rates of its own', async () => {
  const meter = new QualityMeter();
  await meter.measure(telling([local, remote, pair, transport]));
  const other = { ...pair, timestamp: 9_000, bytesSent: 9_000 };
  const { sent } = await meter.measure(telling([local, remote, other, transport]));
  assert.deepEqual([sent.bytes, sent.bitrate], [9_000, 0]);
});

test('a relay at either end is a relay, and how one gets to it is told', async () => {
  const relay = { ...local, candidateType: 'relay', relayProtocol: 'tls' };
  const quality = await new QualityMeter().measure(telling([relay, remote, pair, transport]));
  assert.equal(quality.path, 'relay');
  assert.equal(quality.local.protocol, 'tls');
  assert.equal(await currentPath(telling([local, { ...remote, candidateType: 'relay' }, pair, transport])), 'relay');
});

test('the largest picture is the one described', async () => {
  const screen = { ...video, id: 'S', frameWidth: 1920, frameHeight: 1080, framesPerSecond: 5 };
  const { received } = await new QualityMeter().measure(telling([local, remote, pair, transport, video, screen]));
  assert.deepEqual([received.width, received.height, received.frameRate], [1920, 1080, 5]);
});

test('a browser that has no transport report marks the pair itself', async () => {
  const unused = { ...pair, id: 'U', remoteCandidateId: 'X', selected: false, nominated: true, state: 'succeeded' };
  const relay = { ...remote, id: 'X', candidateType: 'relay' };
  assert.equal(await currentPath(telling([unused, local, remote, relay, { ...pair, selected: true }])), 'direct');
});
