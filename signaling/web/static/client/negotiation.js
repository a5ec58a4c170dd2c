/**
 * One RTCPeerConnection with the peer, from its first description to its end.
 *
 * The roles come from the server and hold for the whole of it. The side that `offers` makes the first offer, since two
 * first offers that cross can hang for good. Later either side may offer; when offers cross, the side that made the
 * first one ignores the other's, and the other side rolls back its own: the perfect negotiation of the specification.
 *
 * The side that offers gives it a name, the `session`, which goes with every description. By this name both sides can
 * tell, after one of them was away, whether they still hold the two ends of the same thing.
 *
 * @typedef {object} Events
 * @property {undefined} state the `connectionState` changed
 * @property {undefined} untold a description is too long for the server
 * @property {undefined} deaf media arrives, and the browser does not hand it on
 * @property {MediaStream | null} media
 * @property {MediaStream | null} screen
 * @property {boolean} channel
 * @property {string} message
 * @property {import('./errors.js').CallError} error
 */
import { Emitter } from './emitter.js';
import { messageOf } from './errors.js';
import { Incoming } from './incoming.js';
import { Timer } from './timer.js';

/** How long a stalled connection may take to recover by itself. The two differ, so that not both restart at once. */
const STALLED = { offers: 2_000, answers: 4_000 };
const FAILED = { offers: 0, answers: 2_000 };
/** How long what is received may stay muted after a description. */
const DEAF_DELAY = 2_000;

/**
 * All on one transport from the start. Otherwise Firefox opens another one for what is added in mid-call, and is
 * `connecting` again until the answer says that the one there is will do.
 * @type {RTCConfiguration}
 */
const BUNDLED = { bundlePolicy: 'max-bundle' };

/** @extends {Emitter<Events>} */
export class Negotiation extends Emitter {
  /** @type {string | undefined} */
  session;
  #connection;
  #signaling;
  #outgoing;
  #incoming = new Incoming();
  #configure;
  #offers;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  #shared = false;
  #wasConnected = false;
  #paused = false;
  #wanted = false;
  #closed = false;
  /** @type {string | null | undefined} which of the peer's streams is its screen */
  #screenId;
  #recovery = new Timer();
  #hearing = new Timer();
  /** Candidates that came before the description they belong to. */
  #early = [];
  /**
   * Descriptions and candidates are taken one at a time, in the order in which they came. The chain lives and dies with
   * its connection: what waits on a closed RTCPeerConnection waits for ever.
   */
  #steps = Promise.resolve();

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {object} options
   * @param {boolean} options.offers
   * @param {import('./outgoing.js').Outgoing} options.outgoing
   * @param {() => Promise<RTCConfiguration>} options.configure asked before the first description and each ICE restart
   * @param {typeof globalThis.RTCPeerConnection} options.RTCPeerConnection
   */
  constructor(signaling, { offers, outgoing, configure, RTCPeerConnection }) {
    super();
    this.#signaling = signaling;
    this.#offers = offers;
    this.#outgoing = outgoing;
    this.#configure = configure;
    const connection = new RTCPeerConnection(BUNDLED);
    this.#connection = connection;
    this.#step(() => this.#setUp());
    connection.onnegotiationneeded = () => this.#negotiate();
    connection.onicecandidate = ({ candidate }) => candidate && !this.#paused && signaling.candidate(candidate);
    connection.onconnectionstatechange = () => this.#changed();
    connection.ontrack = ({ track, streams }) => this.#incoming.add(track, streams[0], this.#screenId);
    connection.ondatachannel = ({ channel }) => this.#channel || this.#talk(channel);
    this.#incoming.on('media', (stream) => this.emit('media', stream));
    this.#incoming.on('screen', (stream) => this.emit('screen', stream));
    outgoing.attach(connection);
    if (offers) {
      this.session = newName();
      this.#talk(connection.createDataChannel('chat'));
      for (const kind of ['audio', 'video']) {
        if (!outgoing.has(kind)) connection.addTransceiver(kind, { direction: 'recvonly' });
      }
    }
  }

  get connection() {
    return this.#connection;
  }

  get connected() {
    return this.#connection.connectionState === 'connected';
  }

  /** Whether it ever was connected, so that it may be again. */
  get wasConnected() {
    return this.#wasConnected;
  }

  /** Whether the peer named this session too. A client that knows nothing of names cannot be asked for one. */
  get shared() {
    return this.#shared;
  }

  /** @param {any} data what the peer sent; anything that is not about the connection is somebody else's */
  receive(data) {
    if (data?.type === 'offer' || data?.type === 'answer') this.#step(() => this.#accept(data));
    else if (data?.type === 'candidate') this.#step(() => this.#add(data.candidate));
  }

  /** @returns {boolean} whether it was sent */
  say(text) {
    if (this.#channel?.readyState !== 'open') return false;
    try {
      this.#channel.send(text);
      return true;
    } catch {
      return false; // too long, or more than the browser keeps for a slow network
    }
  }

  /** Nobody hears what is negotiated, so nothing is. */
  pause() {
    this.#paused = true;
  }

  /** The peer is back, and has not heard whatever was said meanwhile. */
  resume() {
    this.#paused = false;
    this.#step(async () => {
      if (this.#connection.signalingState === 'have-local-offer') return this.#tell();
      const wanted = this.#wanted || !this.connected;
      if (!this.connected) await this.#restart();
      // Said here, since a browser that has asked for it once does not ask again.
      if (wanted) await this.#offer();
    });
  }

  /** Look for new ways to the peer, keeping all else. */
  restart() {
    this.#recovery.stop();
    this.#step(() => this.#restart());
  }

  close() {
    this.#closed = true;
    this.#recovery.stop();
    this.#hearing.stop();
    const connection = this.#connection;
    connection.onnegotiationneeded = connection.onicecandidate = connection.ondatachannel = null;
    connection.onconnectionstatechange = connection.ontrack = null;
    if (this.#channel?.readyState === 'open') this.emit('channel', false);
    if (this.#channel) this.#channel.onopen = this.#channel.onclose = this.#channel.onmessage = null;
    this.#outgoing.attach(null);
    this.#incoming.clear();
    connection.close();
  }

  /** A step that fails costs itself only; whether the call still connects is for the call's watchdog to see. */
  #step(take) {
    this.#steps = this.#steps.then(() => this.#closed || take()).catch((error) => {
      if (!this.#closed) this.emit('error', { code: 'negotiation-failed', message: messageOf(error) });
    });
  }

  async #setUp() {
    this.#connection.setConfiguration({ ...BUNDLED, ...(await this.#configure()) });
  }

  async #restart() {
    await this.#setUp();
    this.#connection.restartIce();
  }

  #changed() {
    const role = this.#offers ? 'offers' : 'answers';
    this.#recovery.stop();
    this.#wasConnected ||= this.connected;
    if (this.#connection.connectionState === 'disconnected') this.#recovery.start(STALLED[role], () => this.restart());
    if (this.#connection.connectionState === 'failed') this.#recovery.start(FAILED[role], () => this.restart());
    this.emit('state', undefined);
  }

  #negotiate() {
    // The one that waits brings its own tracks into the answer; what does not fit there, the browser asks for again.
    if (this.#offers || this.#connection.remoteDescription) this.#step(() => this.#offer());
  }

  async #offer() {
    this.#wanted = this.#paused;
    if (this.#paused) return;
    // In any other state it is too early, and the browser asks again when it is time.
    if (this.#connection.signalingState === 'stable') await this.#describe();
  }

  async #describe() {
    await this.#connection.setLocalDescription();
    if (!this.#closed) this.#tell();
  }

  #tell() {
    const { type, sdp } = /** @type {RTCSessionDescription} */ (this.#connection.localDescription);
    const told = this.#signaling.send({ type, sdp, session: this.session, screen: this.#outgoing.screenId });
    if (!told) this.emit('untold', undefined);
  }

  async #accept({ type, sdp, session, screen }) {
    const offering = this.#connection.signalingState === 'have-local-offer';
    const expected = type === 'offer' ? !(offering && this.#offers) : offering;
    if (!expected) return;
    this.session ??= session;
    this.#shared ||= session !== undefined && session === this.session;
    this.#screenId = screen;
    await this.#connection.setRemoteDescription({ type, sdp });
    for (const candidate of this.#early.splice(0)) await this.#add(candidate);
    if (type === 'offer') await this.#describe();
    this.#listen();
  }

  /**
   * Chromium leaves a track muted for good when it comes back in a place where two offers have crossed, although media
   * arrives. Nothing but a new connection helps.
   */
  async #listen() {
    const before = await this.#arrivedMuted();
    this.#hearing.stop();
    if (this.#closed || !before.size) return;
    this.#hearing.start(DEAF_DELAY, async () => {
      const now = await this.#arrivedMuted();
      const deaf = [...now].some(([track, packets]) => packets > (before.get(track) ?? packets));
      if (deaf && !this.#closed) this.emit('deaf', undefined);
    });
  }

  /** @returns {Promise<Map<string, number>>} packets that arrived, by the id of each track that is muted all the same */
  async #arrivedMuted() {
    const muted = this.#connection.getReceivers().flatMap(({ track }) => (track.muted ? [track.id] : []));
    const arrived = new Map(muted.map((id) => [id, 0]));
    const reports = await this.#connection.getStats().catch(() => new Map());
    for (const report of reports.values()) {
      if (report.type !== 'inbound-rtp' || !arrived.has(report.trackIdentifier)) continue;
      arrived.set(report.trackIdentifier, report.packetsReceived ?? 0);
    }
    return arrived;
  }

  async #add(candidate) {
    if (!this.#connection.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    // A candidate of an offer that was ignored, or of an earlier attempt, is refused here, and is not missed.
    await this.#connection.addIceCandidate(candidate).catch(() => {});
  }

  /** @param {RTCDataChannel} channel */
  #talk(channel) {
    this.#channel = channel;
    channel.onopen = () => this.emit('channel', true);
    channel.onclose = () => this.emit('channel', false);
    channel.onmessage = ({ data }) => typeof data === 'string' && this.emit('message', data);
  }
}

/** Unlike `crypto.randomUUID`, this is there without a secure context too. */
function newName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
