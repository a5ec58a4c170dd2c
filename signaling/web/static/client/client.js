/** The browser client: everything that a page imports. */
export { Call } from './call.js';
export { askForIceServers, fetchIceServers } from './ice-servers.js';
export { pageConfig, pageToken } from './page-config.js';
export { SignalingClient } from './signaling.js';
