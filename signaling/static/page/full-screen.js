/** The page over the whole screen, its buttons with it. */
import { label } from './icon.js';

export function connectFullScreen() {
  const button = document.querySelector('#full-screen');
  const show = () => {
    const full = document.fullscreenElement !== null;
    label(button, full ? 'small-screen' : 'full-screen', full ? 'Leave full screen' : 'Full screen');
  };
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener('click', () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen();
  });
  document.addEventListener('fullscreenchange', show);
}
