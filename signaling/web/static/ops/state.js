/**
 * The types of what the server answers to the operator's page. Times are Unix times in seconds, durations are seconds.
 *
 * @typedef {{ count: number, median: number, p95: number }} Spread `median` and `p95` are null if `count` is 0
 *
 * @typedef {readonly [at: number, connections: number, rooms: number, forwarded: number, lag: number]} Sample
 *
 * @typedef {object} NodeState
 * @property {string} node its name
 * @property {string} version
 * @property {string} release
 * @property {string} settings the digest of its settings
 * @property {number} uptime
 * @property {boolean} draining
 * @property {boolean} missing whether it did not answer
 * @property {number} connections
 * @property {number} rooms
 *
 * @typedef {object} State
 * @property {string} version
 * @property {string} release
 * @property {string} settings the digest of the settings
 * @property {number} now
 * @property {number} uptime
 * @property {boolean} draining
 * @property {number} connections
 * @property {number} maxConnections
 * @property {Record<'waiting' | 'negotiating' | 'settled', number>} calls
 * @property {number} joins
 * @property {Record<'message' | 'candidate', number>} relayed messages that were forwarded
 * @property {Record<string, number>} errors by code
 * @property {Record<string, number>} closes by close code
 * @property {Record<string, number>} refused connections, by reason
 * @property {number} slowConnections
 * @property {Spread} answered from `ready` to the answer
 * @property {Spread} settled from `ready` to the last candidate
 * @property {Spread} roundTrip of the heartbeat
 * @property {{ notAfter: number | null, refused: boolean }} certificate
 * @property {Sample[]} history oldest first
 * @property {{ at: number, reason: string, words: string }[]} refusals newest first
 * @property {string} [node] the node that answers this page; like the next two only if several nodes share the rooms
 * @property {'up' | 'down'} [redis]
 * @property {NodeState[]} [nodes]
 *
 * @typedef {'created' | 'joined' | 'replaced' | 'ready' | 'offer' | 'answer' | 'candidates' | 'message' | 'error' |
 *   'left'} StepKind
 *
 * @typedef {object} Step
 * @property {number} at
 * @property {0 | 1} user the index of the user
 * @property {StepKind} what
 * @property {string} [detail]
 * @property {{ end?: number, [type: string]: number | undefined }} [candidates] how many of each type
 * @property {number} [times] in a row, if more than once
 *
 * @typedef {object} CallState
 * @property {number} number
 * @property {[string, string]} users
 * @property {[boolean, boolean]} present
 * @property {'waiting' | 'negotiating' | 'settled' | 'over'} state
 * @property {number} began
 * @property {number | null} ended
 * @property {number | null} answeredIn
 * @property {string} diagnosis
 * @property {Step[]} steps
 * @property {number} skipped steps that are not listed
 *
 * @typedef {{ open: CallState[], recent: CallState[], most: number }} Calls newest first, in lists of `most`
 */
export {};
