const PATIENCE = 5_000;

/**
 * The ICE servers that the signaling server hands out at `/ice-servers`; none when it cannot be asked, since a call may
 * well connect without.
 * @param {string | URL} url
 * @returns {Promise<RTCIceServer[]>}
 */
export async function fetchIceServers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) });
    return response.ok ? (await response.json()).iceServers ?? [] : [];
  } catch {
    return [];
  }
}
