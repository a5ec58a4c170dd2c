/**
 * The status of a call, as a page shows it.
 *
 * - `idle`: nobody joined yet. `joining`: on the way to the server, for the first time.
 * - `waiting`: alone in the room. `connecting`: the peer is in the room, and nothing flows yet.
 * - `connected`: the connection to the peer works, whatever the socket to the server does.
 * - `reconnecting`: the connection worked and does not now, or there was none yet and the server is away.
 * - `ended`: for good.
 *
 * @typedef {'idle' | 'joining' | 'waiting' | 'connecting' | 'connected' | 'reconnecting' | 'ended'} State
 *
 * @typedef {object} Status
 * @property {State} state
 * @property {import('./signaling-events.js').UserId} peer
 * @property {import('./signaling.js').SocketState} signaling the socket to the server
 * @property {import('./signaling-events.js').Retry} [retry] while that is `reconnecting`
 * @property {'direct' | 'relay'} [path] `connected`: how, as soon as it is known
 * @property {'left' | 'lost'} [reason] `waiting`: how the peer went, if it had been there
 * @property {'no-answer' | 'no-path'} [problem] `connecting`, after 15 seconds: the likely cause. `no-answer`: the peer
 *   is in the room and sends nothing. `no-path`: the two exchange messages, and media finds no way
 * @property {number} [code] `ended`: the WebSocket close code, if the server ended the call
 * @property {import('./errors.js').CallError} [error] `ended`: the error of the server; without `code` and `error` it
 *   was a hang-up. `connected`: why the server is gone for good, while the call goes on without it
 *
 * @typedef {object} EndReason why a call ended, or the server is gone; neither property after a hang-up
 * @property {number} [code] the WebSocket close code
 * @property {import('./errors.js').CallError} [error] what the server said
 *
 * @typedef {object} Facts
 * @property {import('./signaling-events.js').UserId} peer
 * @property {boolean} joined whether `join` was called
 * @property {boolean} entered whether the server ever accepted the join
 * @property {EndReason | null} endReason
 * @property {EndReason | null} serverLoss why the server is gone for good, while the connection to the peer goes on
 * @property {import('./peer-session.js').PeerSession} session
 * @property {import('./signaling.js').SignalingClient} signaling
 */

/**
 * @param {Facts} facts
 * @returns {Readonly<Status>}
 */
export function createStatus(facts) {
  const { peer, endReason, serverLoss, session, signaling } = facts;
  const { path, reason, problem } = session;
  const { retry } = signaling;
  const state = stateOf(facts);
  return Object.freeze({
    state,
    peer,
    signaling: signaling.state,
    ...(retry && { retry }),
    ...(state === 'connected' && path && { path }),
    ...(state === 'waiting' && reason && { reason }),
    ...(state === 'connecting' && problem && { problem }),
    ...(state === 'connected' && serverLoss?.error && { error: serverLoss.error }),
    ...endReason,
  });
}

/**
 * @param {Facts} facts
 * @returns {State}
 */
function stateOf({ joined, entered, endReason, session: { presence, negotiation } }) {
  if (endReason) return 'ended';
  if (negotiation?.connected) return 'connected';
  if (negotiation?.wasConnected) return 'reconnecting';
  if (presence === 'both') return 'connecting';
  if (presence === 'me') return 'waiting';
  if (entered) return 'reconnecting';
  return joined ? 'joining' : 'idle';
}
