/**
 * The types of what the signaling connection receives. docs/protocol.md describes the messages of the server.
 *
 * @typedef {string | number} UserId
 * @typedef {import('./errors.js').CallError} CallError
 *
 * @typedef {object} Welcome
 * @property {string} room
 * @property {RTCIceServer[]} [iceServers]
 * @property {string} [resume] a ticket, with which a client may come back for a minute after its token has expired;
 *   the SignalingClient uses it by itself
 *
 * @typedef {object} Retry
 * @property {number} code the WebSocket close code
 * @property {number} delay milliseconds until the next attempt
 * @property {CallError} [error] why the server refused the last attempt, if it did
 *
 * @typedef {object} Closed
 * @property {number} code the WebSocket close code
 * @property {CallError} [error] the server's reason, if it gave one
 *
 * @typedef {object} Events
 * @property {undefined} open
 * @property {Retry} reconnecting
 * @property {Closed} closed
 * @property {Welcome} created
 * @property {Welcome} joined
 * @property {{ room: string }} ready
 * @property {{ room: string, users: { id: string, userId: UserId }[], userCount: number }} roomInfo
 * @property {{ data?: any, from: UserId }} message
 * @property {{ id: string, userId: UserId, reason?: 'left' | 'lost' }} bye
 * @property {CallError} error
 */
export {};
