/** The link that leads the peer to this call: the same page with the two names the other way round. */
import { notice } from './notice.js';

/**
 * @param {{me: string, peer: string}} names
 * @returns {string}
 */
function invitation({ me, peer }) {
  return new URL(`?${new URLSearchParams({ me: peer, peer: me })}`, document.baseURI).href;
}

/** @param {{me: string, peer: string}} names */
export async function copyInvitation(names) {
  const link = invitation(names);
  try {
    await navigator.clipboard.writeText(link);
    notice(`Invitation copied. Send it to ${names.peer}.`);
  } catch {
    // Some browsers keep the clipboard from pages; a person can copy from a prompt everywhere.
    prompt(`Copy this link and send it to ${names.peer}:`, link);
  }
}
