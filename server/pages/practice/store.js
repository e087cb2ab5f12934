/* What outlives the page, in small pieces; in memory where the browser refuses. */

const PREFIX = "bytereel:";

export class Store {
  constructor() {
    this.memory = new Map();
    this.lasting = true; // whether all that was set will be there after a reload
  }

  get(key) {
    try {
      const text = localStorage.getItem(PREFIX + key);
      if (text !== null) return JSON.parse(text);
    } catch {} // refused, or another's text
    return this.memory.get(key) ?? null;
  }

  set(key, value) {
    try {
      localStorage.setItem(PREFIX + key, JSON.stringify(value));
      this.memory.delete(key);
    } catch {
      this.memory.set(key, value);
      this.lasting = false;
    }
  }

  drop(key) {
    this.memory.delete(key);
    try {
      localStorage.removeItem(PREFIX + key);
    } catch {}
  }

  /* Return the values of all keys that start so. */
  list(start) {
    const keys = new Set([...this.memory.keys()]);
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(PREFIX)) keys.add(key.slice(PREFIX.length));
      }
    } catch {}
    const found = [...keys].filter((key) => key.startsWith(start));
    return found.map((key) => this.get(key)).filter((value) => value !== null);
  }
}
