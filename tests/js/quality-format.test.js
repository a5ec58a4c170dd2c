import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatBitrate,
  formatKnown,
  formatPicture,
  formatShare,
  formatSize,
  gradeQuality,
} from '../../signaling/web/static/page/quality-format.js';
import { formatDuration, formatLatency } from '../../signaling/web/static/common/format.js';

test('figures have the unit a person would choose', () => {
  assert.deepEqual([0, 64_400, 999_499, 999_500, 2_450_000].map(formatBitrate), [
    '0 kbit/s', '64 kbit/s', '999 kbit/s', '1.0 Mbit/s', '2.5 Mbit/s',
  ]);
  assert.deepEqual([0, 0.004, 0.0994, 0.2].map(formatShare), ['0.0 %', '0.4 %', '9.9 %', '20 %']);
  assert.deepEqual([900, 1_240_000, 2_300_000_000].map(formatSize), ['1 kB', '1.2 MB', '2.30 GB']);
  assert.equal(formatPicture({ width: 640, height: 480, frameRate: 29.7 }), '640 × 480, 30/s');
});

test('times have at most two units', () => {
  assert.deepEqual([-0.1, 5, 12.7, 65, 3_725, 90_000].map(formatDuration), [
    '0.0 s', '5.0 s', '12 s', '1 min 5 s', '1 h 2 min', '1 d 1 h',
  ]);
  assert.deepEqual([0.0004, 0.0426, 1.2345, 12.34].map(formatLatency), ['< 1 ms', '43 ms', '1.23 s', '12.3 s']);
});

test('what is not known is not made up', () => {
  assert.equal(formatKnown(null, formatShare), '–');
  assert.equal(formatKnown(undefined, formatLatency), '–');
  assert.equal(formatKnown(0, formatShare), '0.0 %');
  assert.equal(formatPicture({ width: null, height: null, frameRate: null }), 'none');
});

test('the worst of loss and delay, of either direction, makes the grade', () => {
  const quality = (roundTrip, lostOut, lostIn) => ({ roundTrip, sent: { loss: lostOut }, received: { loss: lostIn } });
  assert.equal(gradeQuality(quality(null, null, null)), 'good');
  assert.equal(gradeQuality(quality(0.05, 0.01, 0.01)), 'good');
  assert.equal(gradeQuality(quality(0.05, 0.01, 0.03)), 'fair');
  assert.equal(gradeQuality(quality(0.35, 0, 0)), 'fair');
  assert.equal(gradeQuality(quality(0.05, 0.09, 0)), 'poor');
  assert.equal(gradeQuality(quality(0.7, 0, 0)), 'poor');
});
