/**
 * How good a connection is, in figures, from the browser's own statistics.
 *
 * @typedef {object} End
 * @property {'host' | 'srflx' | 'prflx' | 'relay'} type
 * @property {string} protocol `udp` or `tcp`, and `tls` too on the way to a relay
 * @property {string} [address] where the browser tells
 *
 * @typedef {object} Flow
 * @property {number} bytes of everything on the connection, since it began
 * @property {number} bitrate the same as bits a second
 * @property {number | null} loss the share of packets that did not arrive, 0 to 1
 * @property {number | null} frameRate frames a second of the largest video, like the two below
 * @property {number | null} width
 * @property {number | null} height
 *
 * @typedef {object} Quality
 * @property {'direct' | 'relay'} path
 * @property {number | null} roundTrip seconds
 * @property {End} local
 * @property {End} remote
 * @property {Flow} sent
 * @property {Flow & { jitter: number | null }} received `jitter` in seconds
 */

/** Measures one RTCPeerConnection; rates are those since it was last asked. */
export class QualityMeter {
  connection;
  /** @type {{ time: number, sent: number, received: number, lost: number, arrived: number } | undefined} */
  #last;

  /** @param {RTCPeerConnection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  /** @returns {Promise<Quality | null>} null while nothing is connected */
  async measure() {
    const reports = await this.connection.getStats();
    const pair = selectedPair(reports);
    if (!pair) return null;
    const [local, remote] = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)];
    const of = (type) => [...reports.values()].filter((report) => report.type === type);
    const inbound = of('inbound-rtp');
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
    const rate = (bytes) => (seconds > 0 ? Math.round((bytes * 8) / seconds) : 0);
    const [lost, arrived] = [Math.max(0, now.lost - last.lost), now.arrived - last.arrived];
    return {
      path: pathOf(local, remote),
      roundTrip: pair.currentRoundTripTime ?? null,
      local: end(local),
      remote: end(remote),
      sent: {
        bytes: now.sent,
        bitrate: rate(now.sent - last.sent),
        loss: greatest(of('remote-inbound-rtp'), 'fractionLost'),
        ...picture(of('outbound-rtp')),
      },
      received: {
        bytes: now.received,
        bitrate: rate(now.received - last.received),
        loss: lost + arrived > 0 ? lost / (lost + arrived) : null,
        ...picture(inbound),
        jitter: greatest(inbound, 'jitter'),
      },
    };
  }
}

/**
 * @param {RTCPeerConnection} connection
 * @returns {Promise<'direct' | 'relay' | undefined>}
 */
export async function currentPath(connection) {
  const reports = await connection.getStats();
  const pair = selectedPair(reports);
  return pair && pathOf(reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId));
}

/** @returns the candidate pair in use; browsers tell it in two ways */
function selectedPair(reports) {
  const all = [...reports.values()];
  const transport = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
  if (transport) return reports.get(transport.selectedCandidatePairId);
  return all.find(
    ({ type, selected, nominated, state }) =>
      type === 'candidate-pair' && (selected ?? (nominated && state === 'succeeded')),
  );
}

/** @returns {'direct' | 'relay'} */
function pathOf(local, remote) {
  return local?.candidateType === 'relay' || remote?.candidateType === 'relay' ? 'relay' : 'direct';
}

function end(candidate) {
  const { candidateType: type, relayProtocol, protocol, address } = candidate ?? {};
  return { type, protocol: relayProtocol ?? protocol, ...(address && { address }) };
}

function picture(streams) {
  const largest = streams
    .filter(({ frameWidth }) => frameWidth)
    .reduce((one, other) => (other.frameWidth > (one?.frameWidth ?? 0) ? other : one), undefined);
  return {
    frameRate: largest?.framesPerSecond ?? null,
    width: largest?.frameWidth ?? null,
    height: largest?.frameHeight ?? null,
  };
}

const sum = (reports, field) => reports.reduce((total, report) => total + (report[field] ?? 0), 0);

function greatest(reports, field) {
  const values = reports.map((report) => report[field]).filter((value) => value !== undefined);
  return values.length ? Math.max(...values) : null;
}
