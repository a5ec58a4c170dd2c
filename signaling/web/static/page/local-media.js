/**
 * One's own camera and microphone: opened, switched on and off, exchanged, let go.
 *
 * A camera that is off is released, so that its light goes out; a microphone that is off stays open and is silent, so
 * that it is back at once. What cannot be opened is off, and `problem` tells why.
 *
 * Event: `change` ({@link Kind}) after anything about one of the two has changed.
 *
 * @typedef {'audio' | 'video'} Kind
 */
const KINDS = ['audio', 'video'];

export class LocalMedia extends EventTarget {
  /** The one stream there is; its tracks come and go. */
  stream = new MediaStream();
  #devices;
  #on = { audio: true, video: true };
  #problems = { audio: null, video: null };
  /** One thing at a time: two requests for one camera would get in each other's way. */
  #queue = Promise.resolve();
  /** What arrives after a `close` belongs to nobody and is let go. */
  #round = 0;

  /** @param {{audio?: string, video?: string}} devices the ids of the devices to prefer */
  constructor(devices = {}) {
    super();
    this.#devices = { ...devices };
  }

  /** @param {Kind} kind */
  track(kind) {
    return this.stream.getTracks().find((track) => track.kind === kind) ?? null;
  }

  /** Whether it is meant to be sent. @param {Kind} kind */
  isOn(kind) {
    return this.#on[kind];
  }

  /** @param {Kind} kind @returns {Error | null} why it cannot be had */
  problem(kind) {
    return this.#problems[kind];
  }

  get opened() {
    return this.stream.getTracks().length > 0;
  }

  /** @param {HTMLVideoElement} video */
  showOn(video) {
    // A stream with nothing in it would keep the page from ever being loaded; the same one again would flicker.
    const stream = this.opened ? this.stream : null;
    if (video.srcObject !== stream) video.srcObject = stream;
  }

  /** Open whatever is on. It never rejects: see `problem`. */
  open() {
    return this.#enqueue(KINDS);
  }

  /** @param {Kind} kind @param {boolean} on */
  turn(kind, on) {
    this.#on[kind] = on;
    this.#problems[kind] = null;
    const track = this.track(kind);
    if (track && kind === 'audio') track.enabled = on;
    else if (track && !on) this.#drop(track);
    this.#changed(kind);
    return on ? this.#enqueue([kind]) : this.#queue;
  }

  /** @param {Kind} kind @param {string} device */
  choose(kind, device) {
    this.#devices[kind] = device;
    const track = this.track(kind);
    if (!track) return this.#queue;
    // First out, then in: a phone has one camera at a time.
    this.#drop(track);
    this.#changed(kind);
    return this.#enqueue([kind]);
  }

  /** Let go of everything. */
  close() {
    this.#round += 1;
    for (const track of this.stream.getTracks()) this.#drop(track);
    KINDS.forEach((kind) => this.#changed(kind));
  }

  #enqueue(kinds) {
    const round = this.#round;
    this.#queue = this.#queue.then(() => this.#acquire(kinds, round));
    return this.#queue;
  }

  async #acquire(kinds, round) {
    const wanted = kinds.filter((kind) => this.#on[kind] && !this.track(kind));
    if (round !== this.#round || !wanted.length) return;
    const devices = Object.fromEntries(wanted.map((kind) => [kind, this.#devices[kind]]));
    const results = await request(devices);
    for (const [kind, result] of Object.entries(results)) {
      if (round === this.#round && devices[kind] !== this.#devices[kind]) {
        // Another one was chosen while the browser opened this one.
        if (!(result instanceof Error)) result.stop();
        this.#enqueue([kind]);
      } else {
        this.#take(kind, result, round);
      }
    }
  }

  #take(kind, result, round) {
    if (result instanceof Error) {
      if (round !== this.#round) return;
      this.#problems[kind] = result;
      this.#on[kind] = false;
    } else if (round !== this.#round || (kind === 'video' && !this.#on.video)) {
      result.stop();
      return;
    } else {
      result.enabled = this.#on[kind];
      // Unplugged, or taken away: another device takes its place where there is one.
      result.onended = () => {
        this.stream.removeTrack(result);
        this.#changed(kind);
        this.#enqueue([kind]);
      };
      this.#problems[kind] = null;
      this.stream.addTrack(result);
    }
    this.#changed(kind);
  }

  #drop(track) {
    track.onended = null;
    track.stop();
    this.stream.removeTrack(track);
  }

  #changed(kind) {
    this.dispatchEvent(new CustomEvent('change', { detail: kind }));
  }
}

/** Ask for both in one question, and for each alone when that fails for one of them. */
async function request(devices) {
  const kinds = Object.keys(devices);
  try {
    // Browsers hide the devices from pages that did not come over a secure connection.
    if (!navigator.mediaDevices) throw new DOMException('this page did not come over https', 'SecurityError');
    const stream = await capture(devices);
    return Object.fromEntries(stream.getTracks().map((track) => [track.kind, track]));
  } catch (error) {
    if (kinds.length > 1 && !(error.name === 'NotAllowedError' && (await undecided()))) {
      return { ...(await request({ audio: devices.audio })), ...(await request({ video: devices.video })) };
    }
    return Object.fromEntries(kinds.map((kind) => [kind, error]));
  }
}

/**
 * A chosen device that is not there today gives way to any other one of its kind, and takes no other kind along.
 * @param {Partial<Record<Kind, string>>} devices
 */
async function capture(devices) {
  const kinds = Object.keys(devices);
  // A device that is not there is refused before the person is asked: this is one question all the same.
  for (const gone of [[], ['video'], ['audio']]) {
    const exact = (kind) => !gone.includes(kind) && devices[kind] && { deviceId: { exact: devices[kind] } };
    try {
      return await navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, exact(kind) || true])));
    } catch (error) {
      if (error.name !== 'OverconstrainedError') throw error;
    }
  }
  return navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, true])));
}

/** Whether the person has just said no: asking for each alone would be asking twice more. */
async function undecided() {
  return (await Promise.all(KINDS.map(permission))).every((state) => state === 'prompt');
}

/**
 * What the browser lets the page do without asking.
 * @param {Kind} kind
 * @returns {Promise<PermissionState>}
 */
async function permission(kind) {
  try {
    return (await navigator.permissions.query({ name: kind === 'audio' ? 'microphone' : 'camera' })).state;
  } catch {
    return 'prompt'; // a browser that does not tell
  }
}
