/** The texts for the steps and the outcome of a call. */

/**
 * @typedef {import('./state.js').Step} Step
 * @typedef {'quiet' | 'busy' | 'good' | 'bad'} Tone of a chip in the style sheet
 */

/** @type {Record<import('./state.js').StepKind, (step: Step) => string>} */
const STEPS = {
  created: () => 'joined, is the first',
  joined: () => 'joined',
  replaced: () => 'a newer connection takes over',
  ready: () => 'told to begin (ready)',
  offer: () => 'offer',
  answer: () => 'answer',
  candidates: describeCandidates,
  message: ({ times = 1 }) => (times > 1 ? 'other messages' : 'another message'),
  error: ({ detail }) => `error: ${detail}`,
  left: ({ detail = '' }) => detail,
};

/** @param {Step} step */
function describeCandidates({ candidates: { end, ...types } = {} }) {
  const counts = Object.entries(types).map(([type, count = 0]) => ({ type, count }));
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const listed = counts.map(({ type, count }) => `${count} ${type}`).join(', ');
  const text = total ? `${total} candidate${total > 1 ? 's' : ''}: ${listed}` : 'no candidate';
  return end ? `${text}; end of candidates` : text;
}

/** @param {Step} step */
export function describeStep(step) {
  const text = STEPS[step.what](step);
  return step.times && step.times > 1 ? `${text} × ${step.times}` : text;
}

/** @type {Record<'waiting' | 'negotiating' | 'settled', [text: string, tone: Tone]>} */
const OPEN_STATES = {
  waiting: ['Waiting', 'quiet'],
  negotiating: ['Negotiating', 'busy'],
  settled: ['Settled', 'good'],
};

/**
 * @param {import('./state.js').CallState} call
 * @returns {[text: string, tone: Tone]}
 */
export function describeOutcome({ state, answeredIn, steps }) {
  if (state !== 'over') return OPEN_STATES[state];
  if (answeredIn !== null) return ['Answered', 'good'];
  return steps.some(({ what }) => what === 'ready') ? ['Not answered', 'bad'] : ['Nobody came', 'quiet'];
}
