/**
 * The media of the peer: `media`, its camera and microphone, and `screen`, its shared screen. Either is null when gone.
 *
 * A peer with this client tells which stream is the screen. From any other peer, the screen is the second stream.
 *
 * @typedef {'media' | 'screen'} Kind
 */
import { Emitter } from './emitter.js';

/** @extends {Emitter<Record<Kind, MediaStream | null>>} */
export class IncomingMedia extends Emitter {
  /** @type {Record<Kind, MediaStream | null>} */
  #streams = { media: null, screen: null };
  /** @type {MediaStream | undefined} for the tracks that the peer sends without a stream */
  #defaultStream;

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStream | undefined} stream the stream that the peer put the track in, if any
   * @param {string | null | undefined} screenId the id of the peer's screen; undefined if the peer does not tell
   */
  add(track, stream, screenId) {
    if (!stream) {
      stream = this.#defaultStream ??= new MediaStream();
      stream.addTrack(track);
    }
    stream.addEventListener('removetrack', this.#handleRemoval);
    this.#set(this.#isScreen(stream, screenId) ? 'screen' : 'media', stream);
  }

  clear() {
    if (this.#streams.media) this.#set('media', null);
    if (this.#streams.screen) this.#set('screen', null);
  }

  #handleRemoval = (/** @type {Event} */ { target }) => {
    const kind = target === this.#streams.screen ? 'screen' : 'media';
    const stream = this.#streams[kind];
    if (target === stream && !stream?.getTracks().length) this.#set(kind, null);
  };

  /**
   * @param {MediaStream} stream
   * @param {string | null | undefined} screenId
   */
  #isScreen(stream, screenId) {
    if (screenId !== undefined) return stream.id === screenId;
    return this.#streams.media !== null && this.#streams.media !== stream;
  }

  /**
   * @param {Kind} kind
   * @param {MediaStream | null} stream
   */
  #set(kind, stream) {
    this.#streams[kind] = stream;
    this.emit(kind, stream);
  }
}
