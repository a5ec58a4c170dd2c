/**
 * Which camera, microphone and speaker are used: three lists, and a memory of what was chosen last.
 *
 * Event: `speaker` (the id of the output device) whenever another one is chosen.
 */
import { notice } from './notice.js';

const MEMORY = 'devices';
const LISTS = { video: 'videoinput', audio: 'audioinput', speaker: 'audiooutput' };

/** @returns {{audio?: string, video?: string, speaker?: string}} */
export function remembered() {
  try {
    return JSON.parse(localStorage.getItem(MEMORY)) ?? {};
  } catch {
    return {}; // nothing was kept, or nothing may be
  }
}

export class Devices extends EventTarget {
  #fieldset = document.querySelector('#devices');
  #chime = document.querySelector('#chime');
  #selects = {
    video: document.querySelector('#camera'),
    audio: document.querySelector('#microphone'),
    speaker: document.querySelector('#speaker'),
  };
  #local;
  #chosen;

  /**
   * @param {import('./local-media.js').LocalMedia} local
   * @param {ReturnType<typeof remembered>} chosen
   */
  constructor(local, chosen) {
    super();
    this.#local = local;
    this.#chosen = chosen;
    for (const kind of Object.keys(LISTS)) this.#selects[kind].addEventListener('change', () => this.#choose(kind));
    this.#chime.addEventListener('click', () => chime(this.speaker));
    local.addEventListener('change', () => this.list());
    navigator.mediaDevices?.addEventListener('devicechange', () => this.list());
  }

  get speaker() {
    return this.#chosen.speaker ?? '';
  }

  /** The lists are of use with names only, and browsers give no names before the first permission. */
  async list() {
    const devices = ((await navigator.mediaDevices?.enumerateDevices()) ?? []).filter(({ label }) => label);
    for (const [kind, type] of Object.entries(LISTS)) {
      const ones = devices.filter((device) => device.kind === type);
      const select = this.#selects[kind];
      const used = this.#local.track(kind)?.getSettings().deviceId ?? this.#chosen[kind];
      select.replaceChildren(...ones.map(({ deviceId, label }) => new Option(label, deviceId)));
      if (ones.some(({ deviceId }) => deviceId === used)) select.value = used;
      const possible = kind !== 'speaker' || 'setSinkId' in HTMLMediaElement.prototype;
      select.parentElement.hidden = !ones.length || !possible;
    }
    this.#fieldset.hidden = !devices.length;
  }

  /** The lists stand before the call and in it. @param {Element} place */
  moveTo(place) {
    place.append(this.#fieldset);
  }

  #choose(kind) {
    this.#chosen[kind] = this.#selects[kind].value;
    try {
      localStorage.setItem(MEMORY, JSON.stringify(this.#chosen));
    } catch {
      // For this visit only, then.
    }
    if (kind === 'speaker') this.dispatchEvent(new CustomEvent('speaker', { detail: this.speaker }));
    else this.#local.choose(kind, this.#chosen[kind]);
  }
}

/** Three short notes on the chosen speaker. */
async function chime(speaker) {
  const context = new AudioContext();
  try {
    if (speaker) await context.setSinkId?.(speaker);
  } catch {
    notice('The chosen speaker cannot be used. You hear another one.');
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
