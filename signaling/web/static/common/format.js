/** Figures and times as a person reads them. */
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const timeOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** @param {number} value */
export function formatCount(value) {
  return number.format(value);
}

/** @param {number} time Unix time in seconds */
export function formatTime(time) {
  return timeOfDay.format(time * 1000);
}

/** @param {number} time Unix time in seconds */
export function formatDate(time) {
  return day.format(time * 1000);
}

/**
 * Format how long an answer takes, for example `43 ms` or `1.24 s`.
 * @param {number} seconds
 */
export function formatLatency(seconds) {
  if (seconds < 0.001) return '< 1 ms';
  if (seconds < 1) return `${number.format(Math.round(seconds * 1000))} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/**
 * Format how long something lasts, in at most two units, for example `1 min 5 s`.
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`;
}
