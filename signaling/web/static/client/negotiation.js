/**
 * One RTCPeerConnection with the peer, from its first session description to its end.
 *
 * The server assigns the roles, and they last as long as the connection. The `offerer` makes the first offer, since two
 * first offers that cross can hang for good. Later either side may offer. If offers cross, the offerer ignores the
 * other one, and the answerer rolls back its own: W3C WebRTC, section 10.7, "Perfect Negotiation Example".
 *
 * The offerer makes up a `session` id, which goes with each description. After one side was away, the id tells both
 * sides whether they still hold the two ends of the same connection.
 *
 * @typedef {'offerer' | 'answerer'} Role
 *
 * @typedef {object} Description
 * @property {'offer' | 'answer'} type
 * @property {string} sdp
 * @property {string} [session] missing from a client that does not know sessions
 * @property {string | null} [screen] the id of the stream that is the sender's screen
 *
 * @typedef {object} Events
 * @property {undefined} state the `connectionState` changed
 * @property {undefined} descriptionRefused the server does not take a description of this length
 * @property {undefined} mediaStuck media arrives, and the browser does not play it
 * @property {MediaStream | null} media
 * @property {MediaStream | null} screen
 * @property {boolean} channel
 * @property {string} message
 * @property {import('./errors.js').CallError} error
 */
import { Emitter } from './emitter.js';
import { errorMessage } from './errors.js';
import { IncomingMedia } from './incoming-media.js';
import { MutedTrackDetector } from './muted-tracks.js';
import { Timer } from './timer.js';

/** How long a connection may recover by itself before an ICE restart. The two differ, lest both restart at once. */
const DISCONNECTED_TIMEOUT = { offerer: 2_000, answerer: 4_000 };
const FAILED_TIMEOUT = { offerer: 0, answerer: 2_000 };

/**
 * Everything uses one transport from the start. Otherwise Firefox opens another one for a track that is added later. It
 * is then `connecting` again until the answer says that the first one is enough (RFC 9143).
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
  #incoming = new IncomingMedia();
  #configure;
  #role;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  #peerKnowsSession = false;
  #wasConnected = false;
  #paused = false;
  #offerPending = false;
  #closed = false;
  /** @type {string | null | undefined} the id of the peer's stream that is its screen */
  #screenId;
  #restartTimer = new Timer();
  #mutedTracks;
  /** @type {RTCIceCandidateInit[]} those that came before the description they belong to */
  #earlyCandidates = [];
  /**
   * Descriptions and candidates are applied one at a time, in the order of their arrival. The queue ends with its
   * connection, since a promise of a closed RTCPeerConnection never settles.
   */
  #queue = Promise.resolve();

  /**
   * @param {import('./signaling.js').SignalingClient} signaling
   * @param {object} options
   * @param {Role} options.role
   * @param {import('./outgoing-media.js').OutgoingMedia} options.outgoing
   * @param {() => Promise<RTCConfiguration>} options.configure called before the first description and each ICE restart
   * @param {typeof globalThis.RTCPeerConnection} options.RTCPeerConnection
   */
  constructor(signaling, { role, outgoing, configure, RTCPeerConnection }) {
    super();
    this.#signaling = signaling;
    this.#role = role;
    this.#outgoing = outgoing;
    this.#configure = configure;
    const connection = new RTCPeerConnection(BUNDLED);
    this.#connection = connection;
    this.#mutedTracks = new MutedTrackDetector(connection, () => this.emit('mediaStuck', undefined));
    this.#enqueue(() => this.#applyConfiguration());
    connection.onnegotiationneeded = () => this.#negotiate();
    connection.onicecandidate = ({ candidate }) => candidate && !this.#paused && signaling.candidate(candidate);
    connection.onconnectionstatechange = () => this.#handleStateChange();
    connection.ontrack = ({ track, streams }) => this.#incoming.add(track, streams[0], this.#screenId);
    connection.ondatachannel = ({ channel }) => this.#channel || this.#useChannel(channel);
    this.#incoming.on('media', (stream) => this.emit('media', stream));
    this.#incoming.on('screen', (stream) => this.emit('screen', stream));
    outgoing.attach(connection);
    if (role === 'offerer') {
      this.session = createSessionId();
      this.#useChannel(connection.createDataChannel('chat'));
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

  /** Whether it was ever connected, so that it may recover. */
  get wasConnected() {
    return this.#wasConnected;
  }

  /** Whether the peer named this session too. If it did not, it cannot be asked to resume it. */
  get peerKnowsSession() {
    return this.#peerKnowsSession;
  }

  /** @param {any} data any JSON value of the peer; what is no description or candidate belongs to the app */
  receive(data) {
    if (data?.type === 'offer' || data?.type === 'answer') this.#enqueue(() => this.#acceptDescription(data));
    else if (data?.type === 'candidate') this.#enqueue(() => this.#addCandidate(data.candidate));
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it was sent; false if the channel is closed, or the text does not fit into its buffer
   */
  sendText(text) {
    if (this.#channel?.readyState !== 'open') return false;
    try {
      this.#channel.send(text);
      return true;
    } catch {
      return false;
    }
  }

  /** Send no descriptions: the peer cannot receive them now. */
  pause() {
    this.#paused = true;
  }

  /** Send again what the peer missed while it was away. */
  resume() {
    this.#paused = false;
    this.#enqueue(async () => {
      if (this.#connection.signalingState === 'have-local-offer') return this.#sendDescription();
      const offerPending = this.#offerPending || !this.connected;
      if (!this.connected) await this.#restart();
      // The browser asks for an offer once only, and may have asked during the pause.
      if (offerPending) await this.#offer();
    });
  }

  /** Restart ICE: look for new paths to the peer (RFC 8445, section 9). */
  restart() {
    this.#restartTimer.stop();
    this.#enqueue(() => this.#restart());
  }

  close() {
    this.#closed = true;
    this.#restartTimer.stop();
    this.#mutedTracks.stop();
    const connection = this.#connection;
    connection.onnegotiationneeded = connection.onicecandidate = connection.ondatachannel = null;
    connection.onconnectionstatechange = connection.ontrack = null;
    if (this.#channel?.readyState === 'open') this.emit('channel', false);
    if (this.#channel) this.#channel.onopen = this.#channel.onclose = this.#channel.onmessage = null;
    this.#outgoing.attach(null);
    this.#incoming.clear();
    connection.close();
  }

  /**
   * Run a step after those before it. If one fails, the next ones still run; a timer of the PeerSession notices a call
   * that does not connect.
   * @param {() => unknown} step
   */
  #enqueue(step) {
    const run = async () => {
      try {
        if (!this.#closed) await step();
      } catch (error) {
        if (!this.#closed) this.emit('error', { code: 'negotiation-failed', message: errorMessage(error) });
      }
    };
    this.#queue = this.#queue.then(run);
  }

  async #applyConfiguration() {
    this.#connection.setConfiguration({ ...BUNDLED, ...(await this.#configure()) });
  }

  async #restart() {
    await this.#applyConfiguration();
    this.#connection.restartIce();
  }

  #handleStateChange() {
    const { connectionState } = this.#connection;
    this.#restartTimer.stop();
    this.#wasConnected ||= this.connected;
    if (connectionState === 'disconnected') {
      this.#restartTimer.start(DISCONNECTED_TIMEOUT[this.#role], () => this.restart());
    }
    if (connectionState === 'failed') this.#restartTimer.start(FAILED_TIMEOUT[this.#role], () => this.restart());
    this.emit('state', undefined);
  }

  #negotiate() {
    // The answerer puts its tracks into its first answer. For those that do not fit there, the browser asks again.
    if (this.#role === 'offerer' || this.#connection.remoteDescription) this.#enqueue(() => this.#offer());
  }

  async #offer() {
    this.#offerPending = this.#paused;
    if (this.#paused) return;
    // In any other state it is too early. The browser asks again as soon as the state is stable.
    if (this.#connection.signalingState === 'stable') await this.#describe();
  }

  async #describe() {
    await this.#connection.setLocalDescription();
    if (!this.#closed) this.#sendDescription();
  }

  #sendDescription() {
    const { type, sdp } = /** @type {RTCSessionDescription} */ (this.#connection.localDescription);
    const sent = this.#signaling.send({ type, sdp, session: this.session, screen: this.#outgoing.screenId });
    if (!sent) this.emit('descriptionRefused', undefined);
  }

  /** @param {Description} description */
  async #acceptDescription({ type, sdp, session, screen }) {
    const offering = this.#connection.signalingState === 'have-local-offer';
    const expected = type === 'offer' ? !(offering && this.#role === 'offerer') : offering;
    if (!expected) return;
    this.session ??= session;
    this.#peerKnowsSession ||= session !== undefined && session === this.session;
    this.#screenId = screen;
    await this.#connection.setRemoteDescription({ type, sdp });
    for (const candidate of this.#earlyCandidates.splice(0)) await this.#addCandidate(candidate);
    if (type === 'offer') await this.#describe();
    this.#mutedTracks.watch();
  }

  /** @param {RTCIceCandidateInit} candidate */
  async #addCandidate(candidate) {
    if (!this.#connection.remoteDescription) {
      this.#earlyCandidates.push(candidate);
      return;
    }
    // The browser refuses a candidate of an ignored offer or of an earlier attempt. Nothing is lost by that.
    await this.#connection.addIceCandidate(candidate).catch(() => {});
  }

  /** @param {RTCDataChannel} channel */
  #useChannel(channel) {
    this.#channel = channel;
    channel.onopen = () => this.emit('channel', true);
    channel.onclose = () => this.emit('channel', false);
    channel.onmessage = ({ data }) => typeof data === 'string' && this.emit('message', data);
  }
}

/** Return 16 random hexadecimal digits. `crypto.randomUUID` exists in secure contexts only. */
function createSessionId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
