/**
 * The lists of cameras, microphones and speakers, from which the user chooses. The browser keeps the choice.
 *
 * @typedef {import('./local-media.js').Kind | 'speaker'} DeviceKind
 * @typedef {Partial<Record<DeviceKind, string>>} Choice the ids of the devices
 */
import { Emitter } from '../client/emitter.js';
import { find } from '../common/dom.js';
import { showNotice } from './notice.js';
import { readJson, writeItem } from './storage.js';
import { say } from './words.js';

const KEY = 'devices';
/** @type {DeviceKind[]} */
const KINDS = ['video', 'audio', 'speaker'];
/** @type {Record<DeviceKind, MediaDeviceKind>} */
const BROWSER_KINDS = { video: 'videoinput', audio: 'audioinput', speaker: 'audiooutput' };

/** @returns {Choice} */
export function loadChoice() {
  return readJson('localStorage', KEY) ?? {};
}

/** @extends {Emitter<{ speaker: string }>} `speaker` with the id of the output device when another one is chosen */
export class DevicePicker extends Emitter {
  #fieldset = find('#devices', HTMLFieldSetElement);
  /** @type {Record<DeviceKind, HTMLSelectElement>} */
  #selects = {
    video: find('#camera', HTMLSelectElement),
    audio: find('#microphone', HTMLSelectElement),
    speaker: find('#speaker', HTMLSelectElement),
  };
  #local;
  #choice;

  /**
   * @param {import('./local-media.js').LocalMedia} local
   * @param {Choice} choice
   */
  constructor(local, choice) {
    super();
    this.#local = local;
    this.#choice = choice;
    for (const kind of KINDS) this.#selects[kind].addEventListener('change', () => this.#choose(kind));
    find('#chime', HTMLButtonElement).addEventListener('click', () => playChime(this.speaker));
    local.on('change', () => this.#list());
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#list());
  }

  /** The id of the speaker; empty for the browser's default. */
  get speaker() {
    return this.#choice.speaker ?? '';
  }

  /**
   * Show the lists in another place, before or during a call.
   * @param {Element} place
   */
  moveTo(place) {
    place.append(this.#fieldset);
  }

  /** List the devices that have names. Browsers give no names before the user has allowed a device. */
  async #list() {
    const devices = ((await navigator.mediaDevices?.enumerateDevices()) ?? []).filter(({ label }) => label);
    for (const kind of KINDS) {
      const listed = devices.filter((device) => device.kind === BROWSER_KINDS[kind]);
      const select = this.#selects[kind];
      const track = kind === 'speaker' ? null : this.#local.track(kind);
      const used = track?.getSettings().deviceId ?? this.#choice[kind];
      select.replaceChildren(...listed.map(({ deviceId, label }) => new Option(label, deviceId)));
      if (used !== undefined && listed.some(({ deviceId }) => deviceId === used)) select.value = used;
      const supported = kind !== 'speaker' || 'setSinkId' in HTMLMediaElement.prototype;
      /** @type {HTMLElement} */ (select.parentElement).hidden = !listed.length || !supported;
    }
    this.#fieldset.hidden = !devices.length;
  }

  /** @param {DeviceKind} kind */
  #choose(kind) {
    const device = this.#selects[kind].value;
    this.#choice[kind] = device;
    writeItem('localStorage', KEY, JSON.stringify(this.#choice));
    if (kind === 'speaker') this.emit('speaker', device);
    else this.#local.choose(kind, device);
  }
}

/**
 * Play three short notes.
 * @param {string} speaker the id of the output device; empty for the default
 */
async function playChime(speaker) {
  /** @type {AudioContext & { setSinkId?: (id: string) => Promise<void> }} */
  const context = new AudioContext();
  try {
    if (speaker) await context.setSinkId?.(speaker);
  } catch {
    showNotice(say('The chosen speaker cannot be used. You hear another one.'));
  }
  const volume = new GainNode(context, { gain: 0 });
  volume.connect(context.destination);
  const tone = new OscillatorNode(context, { type: 'sine' });
  tone.connect(volume);
  [523.25, 659.25, 783.99].forEach((frequency, index) => {
    const start = context.currentTime + index * 0.22;
    tone.frequency.setValueAtTime(frequency, start);
    volume.gain.setTargetAtTime(0.25, start, 0.01);
    volume.gain.setTargetAtTime(0, start + 0.14, 0.03);
  });
  tone.onended = () => context.close();
  tone.start();
  tone.stop(context.currentTime + 1);
}
