/* The clips kept for offline: fetched ahead, within a limit, the oldest dropped first. */

const CLIPS = "bytereel-clips-1"; // the worker answers from it
const LIMIT = "limit";
const CAPTIONS_MS = 3_600_000; // then they are fetched again
const KEPT_HEADERS = ["Content-Type", "ETag", "Last-Modified"];

export const clipUrl = (id) => `/v3/videos/${id}.mp4`;
export const posterUrl = (id) => `/v3/videos/${id}/thumbnail?missing=empty`; // not every clip has one

export class Clips {
  constructor(store) {
    this.store = store;
    this.wanted = []; // addresses, the next one first; these are not dropped
    this.running = null;
    this.kept = new Set(); // paths
  }

  /* Learn what is kept, so that it is known at once later. */
  async look() {
    try {
      const cache = await this.open();
      for (const { url } of cache ? await cache.keys() : []) this.kept.add(new URL(url).pathname);
    } catch {}
  }

  /* Report whether this device can answer a path. */
  has(path) {
    return this.kept.has(path);
  }

  get limit() {
    return this.store.get(LIMIT) ?? 100_000_000;
  }

  /* Whether this device can answer from what is kept; only secure addresses may. */
  get able() {
    return "caches" in self && "serviceWorker" in navigator;
  }

  get savesData() {
    const asked = document.documentElement.dataset.save === "yes";
    return Boolean(navigator.connection?.saveData) || asked || matchMedia("(prefers-reduced-data: reduce)").matches;
  }

  /* Return why nothing should be fetched ahead, "" when it may. */
  get sparing() {
    if (this.savesData) return "this device saves data";
    const { effectiveType = "4g" } = navigator.connection ?? {};
    return effectiveType === "4g" ? "" : "the connection is slow";
  }

  /* Fetch what lies at these paths, one after the other, unless a later call wants others. */
  fetchAhead(paths) {
    this.wanted = paths;
    if (this.sparing || !navigator.onLine) return;
    this.running ??= this.fetchAll().finally(() => {
      this.running = null;
    });
  }

  async fetchAll() {
    const tried = new Set();
    const findNext = () => this.wanted.find((wanted) => !tried.has(wanted));
    for (let url = findNext(); url; url = findNext()) {
      tried.add(url);
      try {
        await this.fetchOne(url);
      } catch {} // the network, or no room: the clip plays without this
    }
  }

  async fetchOne(url) {
    const cache = await this.open();
    if (isFresh(await cache?.match(url), url)) return;
    const response = await fetch(url, { priority: "low" });
    if (!response.ok || Number(response.headers.get("Content-Length")) > this.limit) {
      await response.body?.cancel();
      return;
    }
    const body = await response.blob(); // without a cache of ours the browser's has it now
    if (cache) await this.keep(cache, url, response.headers, body);
  }

  async keep(cache, url, given, body) {
    const headers = new Headers({ "Content-Length": body.size, "X-Kept": Date.now() });
    for (const name of KEPT_HEADERS) {
      if (given.has(name)) headers.set(name, given.get(name));
    }
    if (!(await this.makeRoom(cache, body.size))) return;
    try {
      await cache.put(url, new Response(body, { headers }));
      this.kept.add(url);
    } catch {
      await this.drop(cache, url); // the device is full before our limit
      await this.dropOldest(cache, await this.entries(cache), body.size);
    }
  }

  /* Drop what is oldest until so many bytes more are within the limit. */
  async makeRoom(cache, size) {
    const entries = await this.entries(cache);
    const total = entries.reduce((sum, entry) => sum + entry.size, 0);
    const over = total + size - this.limit;
    return over <= 0 || (await this.dropOldest(cache, entries, over));
  }

  /* Drop old entries of so many bytes in all; false when those wanted soon are in the way. */
  async dropOldest(cache, entries, over) {
    const old = entries.filter(({ path }) => !this.wanted.includes(path));
    let left = over;
    while (left > 0 && old.length > 0) {
      const { path, size } = old.shift();
      await this.drop(cache, path);
      left -= size;
    }
    return left <= 0;
  }

  drop(cache, path) {
    this.kept.delete(path);
    return cache.delete(path);
  }

  /* Return what is kept, the oldest first. */
  async entries(cache) {
    const requests = await cache.keys();
    const found = await Promise.all(
      requests.map(async (request) => {
        const headers = (await cache.match(request))?.headers;
        const [size, kept] = ["Content-Length", "X-Kept"].map((name) => Number(headers?.get(name)));
        return { path: new URL(request.url).pathname, size, kept };
      }),
    );
    return found.sort((a, b) => a.kept - b.kept);
  }

  /* Return how much is kept: { count, size }; null where nothing can be. */
  async measure() {
    const cache = await this.open();
    if (!cache) return null;
    const entries = await this.entries(cache);
    return { count: entries.filter(({ path }) => path.endsWith(".mp4")).length, size: entries.reduce((sum, entry) => sum + entry.size, 0) };
  }

  async setLimit(size) {
    this.store.set(LIMIT, size);
    const cache = await this.open();
    if (cache) await this.makeRoom(cache, 0);
  }

  async clear() {
    this.kept.clear();
    if (this.able) await caches.delete(CLIPS);
  }

  async open() {
    if (!this.able) return null;
    return await caches.open(CLIPS).catch(() => null); // refused, as in some private modes
  }
}

/* Report whether what is kept need not be fetched again: a clip never, captions may change. */
function isFresh(kept, url) {
  const age = Date.now() - Number(kept?.headers.get("X-Kept"));
  return Boolean(kept) && (!url.endsWith(".vtt") || age < CAPTIONS_MS);
}
