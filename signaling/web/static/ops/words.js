/** How figures, times and steps are said. */
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

export const count = (value) => number.format(value);
export const time = (at) => clock.format(at * 1000);
export const date = (at) => day.format(at * 1000);

/** @param {number} seconds */
export function short(seconds) {
  if (seconds < 0.001) return '< 1 ms';
  if (seconds < 1) return `${number.format(Math.round(seconds * 1000))} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`;
}

const STEPS = {
  created: () => 'joined, is the first',
  joined: () => 'joined',
  replaced: () => 'a newer connection takes over',
  ready: () => 'told to begin (ready)',
  offer: () => 'offer',
  answer: () => 'answer',
  candidates,
  message: ({ times }) => (times > 1 ? 'other messages' : 'another message'),
  error: ({ detail }) => `error: ${detail}`,
  left: ({ detail }) => detail,
};

function candidates({ candidates: { end, ...kinds } }) {
  const total = Object.values(kinds).reduce((sum, value) => sum + value, 0);
  const listed = Object.entries(kinds).map(([kind, value]) => `${value} ${kind}`);
  const words = total ? `${total} candidate${total > 1 ? 's' : ''}: ${listed.join(', ')}` : 'no candidate';
  return end ? `${words}; end of candidates` : words;
}

export function step(one) {
  const words = STEPS[one.what](one);
  return one.times > 1 ? `${words} × ${one.times}` : words;
}

const GOING_ON = { waiting: ['Waiting', 'quiet'], negotiating: ['Negotiating', 'busy'], settled: ['Settled', 'good'] };

/** The word for how a call is or went, and its tone. */
export function outcome({ state, answeredIn, steps }) {
  if (state !== 'over') return GOING_ON[state];
  if (answeredIn !== null) return ['Answered', 'good'];
  return steps.some(({ what }) => what === 'ready') ? ['Not answered', 'bad'] : ['Nobody came', 'quiet'];
}
