/** The browser client: everything there is to import. */
export { Call } from './call.js';
export { askForIceServers, fetchIceServers } from './ice.js';
export { SignalingClient } from './signaling.js';
