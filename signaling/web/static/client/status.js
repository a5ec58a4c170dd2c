/**
 * The state of a call, as a page would tell it.
 *
 * - `idle`: nobody joined yet. `joining`: on the way to the server, for the first time.
 * - `waiting`: alone in the room. `connecting`: the peer is there, nothing flows yet.
 * - `connected`: the connection to the peer stands, whatever the socket to the server does.
 * - `reconnecting`: what stood does not at the moment, or there was nothing yet and the server is away.
 * - `ended`: for good.
 *
 * @typedef {'idle' | 'joining' | 'waiting' | 'connecting' | 'connected' | 'reconnecting' | 'ended'} State
 *
 * @typedef {object} Status
 * @property {State} state
 * @property {import('./signaling.js').UserId} peer
 * @property {import('./signaling.js').SocketState} signaling the socket to the server
 * @property {import('./signaling.js').Retry} [retry] while that is `reconnecting`
 * @property {'direct' | 'relay'} [path] `connected`: how, as soon as it is known
 * @property {'left' | 'lost'} [reason] `waiting`: how the peer went, if it had been there
 * @property {'no-answer' | 'no-path'} [problem] `connecting`, after a while: what is likely in the way. `no-answer`: the peer
 *   is in the room and says nothing. `no-path`: the two talk, and no media finds its way
 * @property {number} [code] `ended`: the close code, if the server ended it
 * @property {import('./errors.js').CallError} [error] `ended`: what the server said; without both, it was a hang-up.
 *   `connected`: why the server is gone for good, while the call goes on without it
 */

/**
 * @param {object} facts
 * @param {boolean} facts.joined whether `join` was called
 * @param {boolean} facts.entered whether the server ever let us in
 * @param {boolean} facts.ended
 * @param {import('./link.js').Present} facts.present
 * @param {import('./negotiation.js').Negotiation | null} facts.negotiation
 * @returns {State}
 */
export function stateOf({ joined, entered, ended, present, negotiation }) {
  if (ended) return 'ended';
  if (negotiation?.connected) return 'connected';
  if (negotiation?.wasConnected) return 'reconnecting';
  if (present === 'both') return 'connecting';
  if (present === 'me') return 'waiting';
  if (entered) return 'reconnecting';
  return joined ? 'joining' : 'idle';
}
