/** The link that invites the peer to this call: the same page, with the two names swapped. */
import { showNotice } from './notice.js';
import { say } from './words.js';

/** @param {import('./reloaded-call.js').Names} names */
export async function copyInvitation({ me, peer }) {
  const link = new URL(`?${new URLSearchParams({ me: peer, peer: me })}`, document.baseURI).href;
  try {
    await navigator.clipboard.writeText(link);
    showNotice(say('Invitation copied. Send it to {peer}.', { peer }));
  } catch {
    // If the browser forbids the clipboard, the user copies the link from a prompt.
    prompt(say('Copy this link and send it to {peer}:', { peer }), link);
  }
}
