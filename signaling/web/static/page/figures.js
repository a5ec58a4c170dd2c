/**
 * Figures about a call as a person reads them.
 *
 * @typedef {import('../client/quality-meter.js').Quality} Quality
 */

/** @param {number | null} bitrate bits a second */
export function bitrate(value) {
  if (value === null || value === undefined) return '–';
  return value < 999_500 ? `${Math.round(value / 1000)} kbit/s` : `${(value / 1e6).toFixed(1)} Mbit/s`;
}

/** @param {number | null} value a share of 1 */
export function share(value) {
  return value === null || value === undefined ? '–' : `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} %`;
}

/** @param {number | null} seconds */
export function milliseconds(seconds) {
  return seconds === null || seconds === undefined ? '–' : `${Math.round(seconds * 1000)} ms`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 999_500_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @param {{width: number | null, height: number | null, frameRate: number | null}} flow */
export function picture({ width, height, frameRate }) {
  return width && height ? `${width} × ${height}, ${Math.round(frameRate ?? 0)}/s` : 'none';
}

/**
 * Loss is heard and seen from 2 % on, and hurts from 8 % on; a conversation stumbles over round trips from 300 ms on.
 * @param {Quality} quality
 * @returns {'good' | 'fair' | 'poor'}
 */
export function grade({ roundTrip, sent, received }) {
  const loss = Math.max(sent.loss ?? 0, received.loss ?? 0);
  const delay = roundTrip ?? 0;
  if (loss >= 0.08 || delay >= 0.6) return 'poor';
  return loss >= 0.02 || delay >= 0.3 ? 'fair' : 'good';
}
