/** The browser's storage for this page. If the browser keeps nothing, a read returns undefined. */

/**
 * @param {'localStorage' | 'sessionStorage'} storage
 * @param {string} key
 * @returns {string | undefined}
 */
export function readItem(storage, key) {
  try {
    return window[storage].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {'localStorage' | 'sessionStorage'} storage
 * @param {string} key
 * @param {string | undefined} value undefined removes the item
 */
export function writeItem(storage, key, value) {
  try {
    if (value === undefined) window[storage].removeItem(key);
    else window[storage].setItem(key, value);
  } catch {
    // The user, or a full storage, forbids it.
  }
}

/**
 * @param {'localStorage' | 'sessionStorage'} storage
 * @param {string} key
 * @returns {any} undefined if there is no JSON
 */
export function readJson(storage, key) {
  try {
    return JSON.parse(readItem(storage, key) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
