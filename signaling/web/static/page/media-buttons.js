/** The buttons for the user's own microphone and camera, wherever the page shows them. */
import { labelButton } from './icon.js';
import { say } from './words.js';

/** @type {Record<import('./local-media.js').Kind, { on: [icon: string, label: string], off: [string, string] }>} */
const APPEARANCE = {
  audio: { on: ['microphone', 'Mute'], off: ['microphone-off', 'Unmute'] },
  video: { on: ['camera', 'Stop camera'], off: ['camera-off', 'Start camera'] },
};

/** @param {import('./local-media.js').LocalMedia} local */
export function connectMediaButtons(local) {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('[data-switch]'))) {
    const kind = button.dataset.switch === 'audio' ? 'audio' : 'video';
    const update = () => {
      const on = local.isOn(kind);
      const [icon, label] = APPEARANCE[kind][on ? 'on' : 'off'];
      labelButton(button, icon, say(label));
      button.toggleAttribute('data-off', !on);
    };
    button.addEventListener('click', () => local.turn(kind, !local.isOn(kind)));
    local.on('change', update);
    update();
  }
}
