/**
 * What the peer sends: the camera and microphone, which are `media`, and its shared screen, `screen`; null when gone.
 *
 * A peer that runs this client says which stream is the screen. Of any other, it is the second stream.
 */
import { Emitter } from './emitter.js';

/** @extends {Emitter<{ media: MediaStream | null, screen: MediaStream | null }>} */
export class Incoming extends Emitter {
  /** @type {{ media: MediaStream | null, screen: MediaStream | null }} */
  #streams = { media: null, screen: null };
  /** @type {MediaStream | undefined} */
  #loose;

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStream | undefined} stream what the peer put it in, if anything
   * @param {string | null | undefined} screenId
   */
  add(track, stream, screenId) {
    if (!stream) {
      stream = this.#loose ??= new MediaStream();
      stream.addTrack(track);
    }
    stream.addEventListener('removetrack', this.#onremoved);
    this.#put(this.#isScreen(stream, screenId) ? 'screen' : 'media', stream);
  }

  #onremoved = ({ target }) => {
    const kind = target === this.#streams.screen ? 'screen' : 'media';
    if (target === this.#streams[kind] && !target.getTracks().length) this.#put(kind, null);
  };

  clear() {
    if (this.#streams.media) this.#put('media', null);
    if (this.#streams.screen) this.#put('screen', null);
  }

  #isScreen(stream, screenId) {
    if (screenId !== undefined) return stream.id === screenId;
    return this.#streams.media !== null && this.#streams.media !== stream;
  }

  #put(kind, stream) {
    this.#streams[kind] = stream;
    this.emit(kind, stream);
  }
}
