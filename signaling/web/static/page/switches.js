/** The buttons for one's own microphone and camera, wherever the page shows them. */
import { label } from './icon.js';

const LOOKS = {
  audio: { true: ['microphone', 'Mute'], false: ['microphone-off', 'Unmute'] },
  video: { true: ['camera', 'Stop camera'], false: ['camera-off', 'Start camera'] },
};

/** @param {import('./local-media.js').LocalMedia} local */
export function connectSwitches(local) {
  for (const button of document.querySelectorAll('[data-switch]')) {
    const kind = button.dataset.switch;
    const show = () => {
      const on = local.isOn(kind);
      label(button, ...LOOKS[kind][on]);
      button.toggleAttribute('data-off', !on);
    };
    button.addEventListener('click', () => local.turn(kind, !local.isOn(kind)));
    local.addEventListener('change', show);
    show();
  }
}
