/** The button that shows the page on the full screen. */
import { find } from '../common/dom.js';
import { labelButton } from './icon.js';
import { showNotice } from './notice.js';
import { say } from './words.js';

export function connectFullScreen() {
  const button = find('#full-screen', HTMLButtonElement);
  const update = () => {
    const full = document.fullscreenElement !== null;
    labelButton(button, full ? 'small-screen' : 'full-screen', say(full ? 'Leave full screen' : 'Full screen'));
  };
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener('click', async () => {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      showNotice(say('The browser cannot change to or from full screen at the moment.'));
    }
  });
  document.addEventListener('fullscreenchange', update);
}
