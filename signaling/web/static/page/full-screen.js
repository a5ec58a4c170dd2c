/** The page over the whole screen, its buttons with it. */
import { label } from './icon.js';
import { notice } from './notice.js';

export function connectFullScreen() {
  const button = document.querySelector('#full-screen');
  const show = () => {
    const full = document.fullscreenElement !== null;
    label(button, full ? 'small-screen' : 'full-screen', full ? 'Leave full screen' : 'Full screen');
  };
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener('click', async () => {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      notice('The browser does not change the screen at the moment.');
    }
  });
  document.addEventListener('fullscreenchange', show);
}
