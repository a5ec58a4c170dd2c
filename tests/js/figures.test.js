import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bitrate, duration, grade, milliseconds, picture, share, size } from '../../signaling/web/static/page/figures.js';

test('figures have the unit a person would choose', () => {
  assert.deepEqual([0, 64_400, 999_499, 999_500, 2_450_000].map(bitrate), [
    '0 kbit/s', '64 kbit/s', '999 kbit/s', '1.0 Mbit/s', '2.5 Mbit/s',
  ]);
  assert.deepEqual([0, 0.004, 0.0994, 0.2].map(share), ['0.0 %', '0.4 %', '9.9 %', '20 %']);
  assert.deepEqual([900, 1_240_000, 2_300_000_000].map(size), ['1 kB', '1.2 MB', '2.30 GB']);
  assert.deepEqual([5, 65, 3_725].map(duration), ['0:05', '1:05', '1:02:05']);
  assert.equal(milliseconds(0.0426), '43 ms');
  assert.equal(picture({ width: 640, height: 480, frameRate: 29.7 }), '640 × 480, 30/s');
});

test('what is not known is not made up', () => {
  assert.deepEqual([bitrate(null), share(null), milliseconds(undefined)], ['–', '–', '–']);
  assert.equal(picture({ width: null, height: null, frameRate: null }), 'none');
});

test('the worst of loss and delay, of either direction, makes the grade', () => {
  const quality = (roundTrip, lostOut, lostIn) => ({ roundTrip, sent: { loss: lostOut }, received: { loss: lostIn } });
  assert.equal(grade(quality(null, null, null)), 'good');
  assert.equal(grade(quality(0.05, 0.01, 0.01)), 'good');
  assert.equal(grade(quality(0.05, 0.01, 0.03)), 'fair');
  assert.equal(grade(quality(0.35, 0, 0)), 'fair');
  assert.equal(grade(quality(0.05, 0.09, 0)), 'poor');
  assert.equal(grade(quality(0.7, 0, 0)), 'poor');
});
