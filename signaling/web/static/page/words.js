/**
 * The words of the page. An app replaces them with `signaling_words` in its template `signaling/call.html`, which puts
 * them into the page as JSON: from each English text to the text that the page shows.
 */
const words = loadWords();

/** @returns {Map<string, string>} */
function loadWords() {
  // The tests in Node.js have no document.
  const element = globalThis.document?.querySelector('#signaling-words');
  return new Map(Object.entries(JSON.parse(element?.textContent ?? '{}')));
}

/**
 * Return a text in the words of this page.
 * @param {string} text in English, with `{name}` for each value
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function say(text, values = {}) {
  return (words.get(text) ?? text).replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
}
