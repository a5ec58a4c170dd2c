/** Stand-ins for a browser's socket and peer connection: they do as the test tells them, and note what they are told. */

/** What the server says of a WebSocket that it refused; a rejection of `fetch` by default, as with a network that is down. */
export const server = { rejection: null, iceServers: null };
globalThis.fetch = async (url, { method, headers }) => {
  if (server.iceServers && String(url).endsWith('/ice-servers')) {
    server.asked = [String(url), headers];
    return { ok: true, json: async () => ({ iceServers: server.iceServers }) };
  }
  server.asked = [method, String(url)];
  if (!server.rejection) throw new TypeError('Failed to fetch');
  return { ok: false, json: async () => server.rejection };
};

export class FakeSocket {
  /** @type {FakeSocket[]} */
  static made = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    FakeSocket.made.push(this);
  }

  static get last() {
    return FakeSocket.made.at(-1);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code ?? 'no code';
  }

  opens() {
    this.readyState = 1;
    this.onopen();
  }

  says(...messages) {
    for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
  }

  drops(code) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

export class FakeTrack extends EventTarget {
  readyState = 'live';

  constructor(kind) {
    super();
    this.kind = kind;
  }

  ends() {
    this.readyState = 'ended';
    this.dispatchEvent(new Event('ended'));
  }
}

export class FakeStream extends EventTarget {
  constructor(id, ...kinds) {
    super();
    this.id = id;
    this.tracks = kinds.map((kind) => new FakeTrack(kind));
  }

  getTracks() {
    return this.tracks;
  }
}

/** The streams that the client makes itself. */
globalThis.MediaStream = class extends FakeStream {
  static made = 0;

  constructor() {
    super(`made ${++globalThis.MediaStream.made}`);
  }

  addTrack(track) {
    this.tracks.push(track);
  }
};

class FakeChannel {
  readyState = 'connecting';
  sent = [];

  send(text) {
    if (text.length > 100) throw new TypeError('too long');
    this.sent.push(text);
  }

  opens() {
    this.readyState = 'open';
    this.onopen();
  }

  closes() {
    this.readyState = 'closed';
    this.onclose?.();
  }
}

/** Its descriptions are sentences, 'offer of 1', by the number of the connection. */
export class FakeConnection {
  /** @type {FakeConnection[]} */
  static made = [];
  signalingState = 'stable';
  connectionState = 'new';
  remoteDescription = null;
  localDescription = null;
  closed = false;
  log = [];
  transceivers = [];
  stats = new Map();
  #rolledBack = false;

  constructor({ bundlePolicy = 'balanced' } = {}) {
    this.bundlePolicy = bundlePolicy;
    this.number = FakeConnection.made.push(this);
  }

  static get last() {
    return FakeConnection.made.at(-1);
  }

  setConfiguration({ bundlePolicy = 'balanced', ...configuration }) {
    if (bundlePolicy !== this.bundlePolicy) throw new Error('The bundle policy stays what it was');
    this.configuration = configuration;
  }

  async getStats() {
    return this.stats;
  }

  createDataChannel() {
    this.needsNegotiation();
    return (this.channel = new FakeChannel());
  }

  addTransceiver(kind, { direction }) {
    this.log.push(`${direction} ${kind}`);
  }

  addTrack(track, stream) {
    const connection = this;
    const replaceTrack = async (other) => {
      if (this.closed) throw new Error('The connection is closed');
      if (other?.broken) throw new Error('The track cannot be encoded');
      sender.track = other;
    };
    const sender = { track, stream, replaceTrack };
    let direction = 'sendrecv';
    this.transceivers.push({
      sender,
      get direction() {
        return direction;
      },
      set direction(other) {
        if (other !== direction) connection.needsNegotiation();
        direction = other;
      },
    });
    this.needsNegotiation();
    return sender;
  }

  getReceivers() {
    return this.receivers ?? [];
  }

  getTransceivers() {
    return this.transceivers;
  }

  /** Those that are meant to send. */
  get senders() {
    return this.transceivers.filter(({ direction }) => direction === 'sendrecv').map(({ sender }) => sender);
  }

  /** As a browser does it: the transceiver stays, and receives. */
  removeTrack(sender) {
    sender.track = null;
    this.transceivers.find((transceiver) => transceiver.sender === sender).direction = 'recvonly';
  }

  restartIce() {
    this.log.push('restart');
    this.needsNegotiation();
  }

  /** As a browser does it: once for all that changed, and not before the state is stable. */
  needsNegotiation() {
    if (this.needs) return;
    this.needs = true;
    this.#ask();
  }

  #ask() {
    queueMicrotask(() => {
      if (this.needs && this.signalingState === 'stable' && !this.closed) this.onnegotiationneeded?.();
    });
  }

  async setLocalDescription() {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: `${type} of ${this.number}${this.padding ?? ''}` };
    this.log.push(`local ${type}`);
    // An answer brings along what was to be offered, unless that is more than what it answers to has room for.
    this.needs = type === 'answer' && this.#rolledBack;
    if (type === 'offer') this.signalingState = 'have-local-offer';
    else this.#settle();
  }

  async setRemoteDescription({ type, sdp }) {
    // As slow as the real one, and more than the candidates right behind it.
    for (let turn = 0; turn < 5; turn++) await null;
    if (sdp === 'broken') throw new Error('broken description');
    this.#rolledBack = type === 'offer' && this.signalingState === 'have-local-offer';
    this.remoteDescription = { type, sdp };
    this.log.push(`remote ${sdp}`);
    if (type === 'offer') this.signalingState = 'have-remote-offer';
    else this.#settle();
  }

  #settle() {
    this.signalingState = 'stable';
    if (this.needs) this.#ask();
  }

  async addIceCandidate({ candidate }) {
    if (candidate === 'unknown') throw new Error('unknown ufrag');
    this.log.push(`candidate ${candidate}`);
  }

  close() {
    this.closed = true;
    this.connectionState = this.signalingState = 'closed';
  }

  turns(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** Everything that an object tells its listeners, in order. */
export function record(target, ...types) {
  const seen = [];
  for (const type of types) {
    const note = (detail) => (typeof detail === 'object' ? { type, ...detail } : { type, detail });
    target.on(type, (detail) => seen.push(note(detail)));
  }
  return seen;
}

/** Lets everything that waits only for promises run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
