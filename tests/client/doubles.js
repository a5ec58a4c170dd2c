/** Stand-ins for a browser's socket and peer connection: they do as the test tells them, and note what they are told. */

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

export class FakeConnection {
  /** @type {FakeConnection[]} */
  static made = [];
  signalingState = 'stable';
  connectionState = 'new';
  remoteDescription = null;
  localDescription = null;
  closed = false;
  log = [];

  constructor(configuration) {
    this.configuration = configuration;
    this.number = FakeConnection.made.push(this);
  }

  static get last() {
    return FakeConnection.made.at(-1);
  }

  addTrack() {
    queueMicrotask(() => this.onnegotiationneeded?.());
  }

  async setLocalDescription() {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: `${type} of ${this.number}` };
    this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
    this.log.push(`local ${type}`);
  }

  async setRemoteDescription({ type, sdp }) {
    // As slow as the real one, and more than the candidates right behind it.
    for (let turn = 0; turn < 5; turn++) await null;
    if (sdp === 'broken') throw new Error('broken description');
    this.remoteDescription = { type, sdp };
    this.signalingState = type === 'offer' ? 'have-remote-offer' : 'stable';
    this.log.push(`remote ${sdp}`);
  }

  async addIceCandidate({ candidate }) {
    if (candidate === 'unknown') throw new Error('unknown ufrag');
    this.log.push(`candidate ${candidate}`);
  }

  close() {
    this.closed = true;
  }

  turns(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** Everything that an object tells its listeners, in order. */
export function record(target, ...types) {
  const seen = [];
  for (const type of types) target.addEventListener(type, ({ detail }) => seen.push({ type, ...detail }));
  return seen;
}

/** Lets everything that waits only for promises run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
