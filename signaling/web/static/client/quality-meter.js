/**
 * The quality of a connection in figures, from the browser's statistics (W3C, Identifiers for WebRTC's Statistics API).
 *
 * @typedef {object} CandidateEnd one end of the candidate pair in use
 * @property {RTCIceCandidateType} type
 * @property {string} protocol `udp` or `tcp`; `tls` too on the way to a relay
 * @property {string} [address] if the browser tells it
 *
 * @typedef {object} Picture of the largest video
 * @property {number | null} frameRate frames per second
 * @property {number | null} width pixels
 * @property {number | null} height pixels
 *
 * @typedef {object} Traffic
 * @property {number} bytes of everything on the connection, since it began
 * @property {number} bitrate the same, in bits per second since the last measurement
 * @property {number | null} loss the share of packets that did not arrive, 0 to 1
 *
 * @typedef {Traffic & Picture} Flow
 *
 * @typedef {object} Quality
 * @property {'direct' | 'relay'} path
 * @property {number | null} roundTrip seconds
 * @property {CandidateEnd} local
 * @property {CandidateEnd} remote
 * @property {Flow} sent
 * @property {Flow & { jitter: number | null }} received `jitter` in seconds
 */

/** A meter of one RTCPeerConnection at a time. Its rates cover the time since the last measurement of the same one. */
export class QualityMeter {
  /** @type {RTCPeerConnection | undefined} */
  #connection;
  /** @type {{ time: number, sent: number, received: number, lost: number, arrived: number } | undefined} */
  #last;

  /**
   * @param {RTCPeerConnection} connection
   * @returns {Promise<Quality | null>} null while nothing is connected
   */
  async measure(connection) {
    if (connection !== this.#connection) this.#last = undefined;
    this.#connection = connection;
    const reports = await connection.getStats();
    const pair = selectedPair(reports);
    if (!pair) return null;
    const [local, remote] = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)];
    const ofType = (/** @type {string} */ type) => [...reports.values()].filter((report) => report.type === type);
    const inbound = ofType('inbound-rtp');
    const now = {
      time: pair.timestamp,
      sent: pair.bytesSent,
      received: pair.bytesReceived,
      lost: sum(inbound, 'packetsLost'),
      arrived: sum(inbound, 'packetsReceived'),
    };
    const last = this.#last ?? now;
    this.#last = now;
    const seconds = (now.time - last.time) / 1000;
    const bitrate = (/** @type {number} */ bytes) => (seconds > 0 ? Math.round((bytes * 8) / seconds) : 0);
    const [lost, arrived] = [Math.max(0, now.lost - last.lost), now.arrived - last.arrived];
    return {
      path: pathOf(local, remote),
      roundTrip: pair.currentRoundTripTime ?? null,
      local: describeEnd(local),
      remote: describeEnd(remote),
      sent: {
        bytes: now.sent,
        bitrate: bitrate(now.sent - last.sent),
        loss: maximum(ofType('remote-inbound-rtp'), 'fractionLost'),
        ...largestPicture(ofType('outbound-rtp')),
      },
      received: {
        bytes: now.received,
        bitrate: bitrate(now.received - last.received),
        loss: lost + arrived > 0 ? lost / (lost + arrived) : null,
        ...largestPicture(inbound),
        jitter: maximum(inbound, 'jitter'),
      },
    };
  }
}

/**
 * @param {RTCPeerConnection} connection
 * @returns {Promise<'direct' | 'relay' | undefined>} undefined while nothing is connected
 */
export async function currentPath(connection) {
  const reports = await connection.getStats();
  const pair = selectedPair(reports);
  return pair && pathOf(reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId));
}

/**
 * Return the report of the candidate pair in use. Chromium names it in the transport's report; Firefox marks the pair.
 * @param {RTCStatsReport} reports
 */
function selectedPair(reports) {
  const all = [...reports.values()];
  const transport = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
  if (transport) return reports.get(transport.selectedCandidatePairId);
  return all.find(
    ({ type, selected, nominated, state }) =>
      type === 'candidate-pair' && (selected ?? (nominated && state === 'succeeded')),
  );
}

/**
 * @param {any} local the report of a candidate; like `remote` undefined if there is none
 * @param {any} remote
 * @returns {'direct' | 'relay'}
 */
function pathOf(local, remote) {
  return local?.candidateType === 'relay' || remote?.candidateType === 'relay' ? 'relay' : 'direct';
}

/**
 * @param {any} candidate
 * @returns {CandidateEnd}
 */
function describeEnd(candidate) {
  const { candidateType: type, relayProtocol, protocol, address } = candidate ?? {};
  return { type, protocol: relayProtocol ?? protocol, ...(address && { address }) };
}

/**
 * @param {any[]} streams reports of RTP streams
 * @returns {Picture}
 */
function largestPicture(streams) {
  const largest = streams
    .filter(({ frameWidth }) => frameWidth)
    .reduce((one, other) => (other.frameWidth > (one?.frameWidth ?? 0) ? other : one), undefined);
  return {
    frameRate: largest?.framesPerSecond ?? null,
    width: largest?.frameWidth ?? null,
    height: largest?.frameHeight ?? null,
  };
}

/**
 * @param {any[]} reports
 * @param {string} field
 * @returns {number}
 */
function sum(reports, field) {
  return reports.reduce((total, report) => total + (report[field] ?? 0), 0);
}

/**
 * @param {any[]} reports
 * @param {string} field
 * @returns {number | null}
 */
function maximum(reports, field) {
  const values = reports.map((report) => report[field]).filter((value) => value !== undefined);
  return values.length ? Math.max(...values) : null;
}
