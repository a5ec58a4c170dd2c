/**
 * The figures of a call as a person reads them.
 *
 * @typedef {import('../client/quality-meter.js').Quality} Quality
 */
import { say } from './words.js';

const UNKNOWN = '–';

/**
 * Format a value that may be unknown.
 * @template Value
 * @param {Value | null | undefined} value
 * @param {(value: Value) => string} format
 */
export function formatKnown(value, format) {
  return value === null || value === undefined ? UNKNOWN : format(value);
}

/** @param {number} bitrate bits per second */
export function formatBitrate(bitrate) {
  return bitrate < 999_500 ? `${Math.round(bitrate / 1000)} kbit/s` : `${(bitrate / 1e6).toFixed(1)} Mbit/s`;
}

/** @param {number} share 0 to 1 */
export function formatShare(share) {
  return `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** @param {number} bytes */
export function formatSize(bytes) {
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 999_500_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {import('../client/quality-meter.js').Picture} picture */
export function formatPicture({ width, height, frameRate }) {
  return width && height ? `${width} × ${height}, ${Math.round(frameRate ?? 0)}/s` : say('none');
}

/**
 * Grade a call by the worse of loss and delay. Loss is heard and seen from 2 %, and severe from 8 %. People interrupt
 * each other from a round trip of 300 ms.
 * @param {Pick<Quality, 'roundTrip' | 'sent' | 'received'>} quality
 * @returns {'good' | 'fair' | 'poor'}
 */
export function gradeQuality({ roundTrip, sent, received }) {
  const loss = Math.max(sent.loss ?? 0, received.loss ?? 0);
  const delay = roundTrip ?? 0;
  if (loss >= 0.08 || delay >= 0.6) return 'poor';
  return loss >= 0.02 || delay >= 0.3 ? 'fair' : 'good';
}
