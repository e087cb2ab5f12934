"use strict";
/* The practice page without a network: the page itself, its files, and the kept clips. */

const SHELL = "bytereel-shell-1";
const CLIPS = "bytereel-clips-1"; // the page fills it
const PAGE = "/practice";
const PATIENCE_MS = 4000; // then the kept page is better than none yet
const CLIP = /^\/v3\/videos\/\d+\.mp4$/;
const CAPTIONS = /^\/v3\/videos\/\d+\/captions\/[^/]+\.vtt$/;
const RANGE = /^bytes=(\d*)-(\d*)$/;

addEventListener("install", (event) => {
  event.waitUntil(fetch(PAGE, { cache: "no-cache" }).then(keepPage).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(dropOthers().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && pathname === PAGE) event.respondWith(answerPage(event));
  else if (pathname.startsWith("/assets/")) event.respondWith(answerAsset(request));
  // What the page fetches ahead stays its own request, at its own low priority.
  else if (request.destination === "video" && CLIP.test(pathname)) event.respondWith(answerClip(request, pathname));
  else if (request.destination === "track" && CAPTIONS.test(pathname)) event.respondWith(answerCaptions(request, pathname));
});

/* --- the page ------------------------------------------------------------ */

/* Answer from the network; from what is kept when that fails or takes long. */
async function answerPage(event) {
  const fresh = fetch(event.request);
  const keeping = fresh.then((response) => keepPage(response.clone()));
  event.waitUntil(keeping.catch(() => {}));
  const kept = await find(SHELL, PAGE);
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, kept));
  const good = fresh.then((response) => (response.ok ? response : kept), () => kept);
  return Promise.race([good, late]);
}

/* Keep a page after the files it names, so that what is kept is always whole. */
async function keepPage(response) {
  if (!response.ok) return;
  const copy = response.clone();
  const files = [...new Set((await response.text()).match(/\/assets\/[^"]+/g))];
  const cache = await caches.open(SHELL);
  const kept = new Set((await cache.keys()).map(({ url }) => url.slice(location.origin.length)));
  await cache.addAll(files.filter((file) => !kept.has(file)));
  await cache.put(PAGE, copy);
  const older = [...kept].filter((path) => path !== PAGE && !files.includes(path));
  await Promise.all(older.map((path) => cache.delete(path)));
}

/* The address of a file changes with its content. */
async function answerAsset(request) {
  return (await find(SHELL, request)) ?? fetch(request);
}

async function dropOthers() {
  const names = (await caches.keys()).filter((name) => name.startsWith("bytereel-"));
  const others = names.filter((name) => name !== SHELL && name !== CLIPS);
  await Promise.all(others.map((name) => caches.delete(name)));
}

/* --- the clips ----------------------------------------------------------- */

async function answerClip(request, path) {
  const kept = await find(CLIPS, path);
  return kept ? answerRange(kept, request.headers.get("Range")) : fetch(request);
}

/* Captions may change, so what is kept is only for when there is no network. */
async function answerCaptions(request, path) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await find(CLIPS, path);
    if (kept) return kept;
    throw error;
  }
}

/* Answer a range of a whole clip (RFC 9110, 14 and 15.3.7). */
async function answerRange(kept, asked) {
  const body = await kept.blob();
  const headers = new Headers(kept.headers);
  headers.set("Accept-Ranges", "bytes");
  const span = fitRange(asked, body.size);
  if (span === null) return new Response(body, { headers });
  const [start, stop] = span;
  if (start >= stop) {
    const refusal = { "Content-Range": `bytes */${body.size}` };
    return new Response(null, { status: 416, headers: refusal });
  }
  headers.set("Content-Range", `bytes ${start}-${stop - 1}/${body.size}`);
  headers.set("Content-Length", stop - start);
  return new Response(body.slice(start, stop, body.type), { status: 206, headers });
}

/* Return [start, stop) of one asked range, empty where the clip has nothing of it;
   null for none and for what may be ignored (RFC 9110, 14.2). */
function fitRange(asked, size) {
  const [, first, last] = asked?.match(RANGE) ?? [];
  if (first === undefined || (first === "" && last === "")) return null;
  if (first === "") return [Math.max(size - Number(last), 0), size];
  if (last !== "" && Number(last) < Number(first)) return null;
  return [Number(first), last === "" ? size : Math.min(Number(last) + 1, size)];
}

async function find(name, request) {
  try {
    return (await (await caches.open(name)).match(request)) ?? null;
  } catch {
    return null; // storage may be refused or broken at any time
  }
}
