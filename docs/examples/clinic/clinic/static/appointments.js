/** Keep the list of appointments up to date, and show times in the timezone of the user. */
const list = document.querySelector('#appointments');
let shown = '';

function localize() {
  for (const time of list.querySelectorAll('time')) {
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'long', timeStyle: 'short' });
  }
}

async function refresh() {
  const response = await fetch(list.dataset.url).catch(() => null);
  // After a logout in another tab, the answer is the form.
  if (response?.redirected) location.reload();
  if (!response?.ok || response.redirected) return;
  const html = await response.text();
  if (html === shown) return;
  // The keyboard's focus would be lost with the link that had it.
  const focused = [...list.querySelectorAll('a')].indexOf(document.activeElement);
  list.innerHTML = shown = html;
  localize();
  list.querySelectorAll('a')[focused]?.focus();
}

localize();
setInterval(refresh, 3_000);
// Also when the page comes from the browser's cache.
addEventListener('pageshow', refresh);
