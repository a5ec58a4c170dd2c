/**
 * The token that lets this page in, where the server asks for one. It comes in the fragment of a link (`#token=…`), which
 * no server and no log sees, and is taken out of the address at once, so that nobody copies it along with that. The tab
 * keeps it for when it is loaded again.
 */
const KEY = 'signaling-token';
let token;

function take() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return;
  history.replaceState(history.state, '', location.pathname + location.search);
  token = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // A browser that keeps nothing: the token is good until the page is left.
  }
}

/** @returns {string | undefined} */
export function currentToken() {
  return token;
}

try {
  token = sessionStorage.getItem(KEY) ?? undefined;
} catch {
  // As above.
}
take();
// A fresh link to the page that is open already does not load it again.
addEventListener('hashchange', take);
