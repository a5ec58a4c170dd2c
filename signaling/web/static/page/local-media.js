/**
 * The user's own camera and microphone: opened, turned on and off, exchanged, closed.
 *
 * A camera that is off is closed, so that its light goes out. A microphone that is off stays open and is muted, so that
 * it is on again at once. A device that cannot be opened is off, and `problem` tells why.
 *
 * @typedef {'audio' | 'video'} Kind
 * @typedef {Partial<Record<Kind, string>>} DeviceIds the ids of the devices to prefer
 */
import { Emitter } from '../client/emitter.js';

/** @type {Kind[]} */
export const KINDS = ['audio', 'video'];

/** @extends {Emitter<{ change: Kind }>} `change` when anything about one of the two has changed */
export class LocalMedia extends Emitter {
  /** The same stream for ever; its tracks come and go. */
  stream = new MediaStream();
  /** @type {DeviceIds} */
  #devices;
  #on = { audio: true, video: true };
  /** @type {Record<Kind, Error | null>} */
  #problems = { audio: null, video: null };
  /** One request at a time: two requests for one camera would disturb each other. */
  #queue = Promise.resolve();
  /** It grows with each `close`, so that a device that opens later is closed at once. */
  #generation = 0;

  /** @param {DeviceIds} devices */
  constructor(devices = {}) {
    super();
    this.#devices = { ...devices };
  }

  /** @param {Kind} kind */
  track(kind) {
    return this.stream.getTracks().find((track) => track.kind === kind) ?? null;
  }

  /**
   * Whether the user wants it to be sent.
   * @param {Kind} kind
   */
  isOn(kind) {
    return this.#on[kind];
  }

  /**
   * @param {Kind} kind
   * @returns {Error | null} why it cannot be opened
   */
  problem(kind) {
    return this.#problems[kind];
  }

  /** Whether either of the two is open. */
  get opened() {
    return this.stream.getTracks().length > 0;
  }

  /** @param {HTMLVideoElement} video */
  showOn(video) {
    // An empty stream would keep the page from ever being loaded. To set the same one again would make it flicker.
    const stream = this.opened ? this.stream : null;
    if (video.srcObject !== stream) video.srcObject = stream;
  }

  /**
   * Open what is on. The promise never rejects: see `problem`.
   * @returns {Promise<void>}
   */
  open() {
    return this.#enqueue(KINDS);
  }

  /**
   * @param {Kind} kind
   * @param {boolean} on
   */
  turn(kind, on) {
    this.#on[kind] = on;
    this.#problems[kind] = null;
    const track = this.track(kind);
    if (track && kind === 'audio') track.enabled = on;
    else if (track && !on) this.#drop(track);
    this.#changed(kind);
    return on ? this.#enqueue([kind]) : this.#queue;
  }

  /**
   * Use another device from now on.
   * @param {Kind} kind
   * @param {string} device its id
   */
  choose(kind, device) {
    this.#devices[kind] = device;
    const track = this.track(kind);
    if (!track) return this.#queue;
    // Close the old one first: a phone opens one camera at a time.
    this.#drop(track);
    this.#changed(kind);
    return this.#enqueue([kind]);
  }

  /** Close both. */
  close() {
    this.#generation += 1;
    for (const track of this.stream.getTracks()) this.#drop(track);
    KINDS.forEach((kind) => this.#changed(kind));
  }

  /** @param {Kind[]} kinds */
  #enqueue(kinds) {
    const generation = this.#generation;
    this.#queue = this.#queue.then(() => this.#acquire(kinds, generation));
    return this.#queue;
  }

  /**
   * @param {Kind[]} kinds
   * @param {number} generation
   */
  async #acquire(kinds, generation) {
    const wanted = kinds.filter((kind) => this.#on[kind] && !this.track(kind));
    if (generation !== this.#generation || !wanted.length) return;
    const devices = mapKinds(wanted, (kind) => this.#devices[kind] ?? '');
    const results = await request(devices);
    for (const kind of wanted) {
      const result = results[kind];
      if (!result) continue;
      if (generation === this.#generation && devices[kind] !== (this.#devices[kind] ?? '')) {
        // The user chose another device while the browser opened this one.
        if (!(result instanceof Error)) result.stop();
        this.#enqueue([kind]);
      } else {
        this.#take(kind, result, generation);
      }
    }
  }

  /**
   * @param {Kind} kind
   * @param {MediaStreamTrack | Error} result
   * @param {number} generation
   */
  #take(kind, result, generation) {
    if (result instanceof Error) {
      if (generation !== this.#generation) return;
      this.#problems[kind] = result;
      this.#on[kind] = false;
    } else if (generation !== this.#generation || (kind === 'video' && !this.#on.video)) {
      result.stop();
      return;
    } else {
      result.enabled = this.#on[kind];
      // The device was unplugged, or the browser took it away. Another one replaces it, if there is one.
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

  /** @param {MediaStreamTrack} track */
  #drop(track) {
    track.onended = null;
    track.stop();
    this.stream.removeTrack(track);
  }

  /** @param {Kind} kind */
  #changed(kind) {
    this.emit('change', kind);
  }
}

/** @param {MediaStream} stream */
export function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * @template Value
 * @param {Kind[]} kinds
 * @param {(kind: Kind) => Value} value
 */
function mapKinds(kinds, value) {
  return /** @type {Partial<Record<Kind, Value>>} */ (Object.fromEntries(kinds.map((kind) => [kind, value(kind)])));
}

/**
 * Open both devices with one question to the user. If that fails for one of them, ask for each alone.
 * @param {DeviceIds} devices
 * @returns {Promise<Partial<Record<Kind, MediaStreamTrack | Error>>>}
 */
async function request(devices) {
  const kinds = KINDS.filter((kind) => kind in devices);
  try {
    // Browsers hide the devices from pages that did not come over a secure connection.
    if (!navigator.mediaDevices) throw new DOMException('this page did not come over https', 'SecurityError');
    const tracks = (await capture(devices)).getTracks();
    return mapKinds(kinds, (kind) => /** @type {MediaStreamTrack} */ (tracks.find((track) => track.kind === kind)));
  } catch (error) {
    const problem = /** @type {Error} */ (error);
    if (kinds.length > 1 && !(problem.name === 'NotAllowedError' && (await wasDismissed()))) {
      return { ...(await request({ audio: devices.audio })), ...(await request({ video: devices.video })) };
    }
    return mapKinds(kinds, () => problem);
  }
}

/**
 * Open the preferred devices. If one of them is not there, use any other one of its kind.
 * @param {DeviceIds} devices
 */
async function capture(devices) {
  // The browser refuses a missing device before it asks the user, so this is still one question.
  /** @type {Kind[][]} */
  const attempts = [[], ['video'], ['audio']];
  for (const missing of attempts) {
    try {
      return await navigator.mediaDevices.getUserMedia(constraints(devices, missing));
    } catch (error) {
      if (/** @type {Error} */ (error).name !== 'OverconstrainedError') throw error;
    }
  }
  return navigator.mediaDevices.getUserMedia(constraints(devices, KINDS));
}

/**
 * @param {DeviceIds} devices
 * @param {Kind[]} missing the kinds for which any device will do
 * @returns {MediaStreamConstraints}
 */
function constraints(devices, missing) {
  const kinds = KINDS.filter((kind) => kind in devices);
  return mapKinds(kinds, (kind) => {
    const id = devices[kind];
    return id && !missing.includes(kind) ? { deviceId: { exact: id } } : true;
  });
}

/** Whether the user has just dismissed the question for both: to ask for each alone would be two more questions. */
async function wasDismissed() {
  return (await Promise.all(KINDS.map(permission))).every((state) => state === 'prompt');
}

/**
 * Return whether the page may use a device without a question.
 * @param {Kind} kind
 * @returns {Promise<PermissionState>}
 */
async function permission(kind) {
  const name = /** @type {PermissionName} */ (kind === 'audio' ? 'microphone' : 'camera');
  try {
    return (await navigator.permissions.query({ name })).state;
  } catch {
    return 'prompt'; // This browser does not tell.
  }
}
