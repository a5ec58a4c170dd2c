/**
 * Detects a bug of Chromium. If a track comes back in an m-line where two offers have crossed, it can stay muted for
 * good although its media arrives. Only a new connection helps.
 */
import { Timer } from './timer.js';

/** How long a received track may stay muted after a description. */
const MUTED_TIMEOUT = 2_000;

export class MutedTrackDetector {
  #connection;
  #onStuck;
  #stopped = false;
  #timer = new Timer();

  /**
   * @param {RTCPeerConnection} connection
   * @param {() => void} onStuck called if media arrives and its track stays muted
   */
  constructor(connection, onStuck) {
    this.#connection = connection;
    this.#onStuck = onStuck;
  }

  /** Look at the tracks that are muted now, after a description was applied. */
  async watch() {
    const before = await this.#countPackets();
    this.#timer.stop();
    if (this.#stopped || !before.size) return;
    this.#timer.start(MUTED_TIMEOUT, async () => {
      const now = await this.#countPackets();
      const stuck = [...now].some(([track, packets]) => packets > (before.get(track) ?? packets));
      if (stuck && !this.#stopped) this.#onStuck();
    });
  }

  stop() {
    this.#stopped = true;
    this.#timer.stop();
  }

  /** @returns {Promise<Map<string, number>>} the number of received packets, by the id of each muted track */
  async #countPackets() {
    const muted = this.#connection.getReceivers().flatMap(({ track }) => (track.muted ? [track.id] : []));
    const packets = new Map(muted.map((id) => [id, 0]));
    const reports = await this.#connection.getStats().catch(() => new Map());
    for (const report of reports.values()) {
      if (report.type !== 'inbound-rtp' || !packets.has(report.trackIdentifier)) continue;
      packets.set(report.trackIdentifier, report.packetsReceived ?? 0);
    }
    return packets;
  }
}
