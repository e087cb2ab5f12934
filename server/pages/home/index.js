/* Plays the clip that the address names, and shows what is sent of it. */

import { bytes, clock, counted, percent } from "../numbers.js";
import { Strip, TONES } from "./strip.js";

const LOG_ROWS = 8;
const OPEN_MS = 1500; // then play, whether the live view has come or not
const SPANS_SAID = 10;
const SAY_MS = 5000; // at most so often to a screen reader

const find = (selector) => document.querySelector(selector);
const video = find("video");
const strip = new Strip(find(".strip"));
const clips = new Map([...document.querySelectorAll(".clip")].map((link) => [link.dataset.id, link]));
const films = new Map(); // clip id → what was sent of it to this page
const viewer = crypto.getRandomValues(new Uint32Array(4)).join("-");
let watching = false; // whether the server tells us what it sends
let playing = null; // clip id
let drawing = false;
let changed = false; // whether the words lag behind what was sent
let saidAt = 0;
let saying = 0;

for (const [id, link] of clips) link.href = `#video-${id}`; // it led to the bare file until now

/* --- what was sent ------------------------------------------------------- */

function filmOf(id) {
  if (!films.has(id)) films.set(id, { size: Number(clips.get(id).dataset.size), answers: new Map() });
  return films.get(id);
}

function take(piece) {
  const id = String(piece.video);
  if (!clips.has(id)) return;
  const { answers } = filmOf(id);
  if (!answers.has(piece.answer)) {
    const tone = TONES[answers.size % TONES.length];
    answers.set(piece.answer, { ...piece, tone, runs: new Map(), last: null });
  }
  const answer = answers.get(piece.answer);
  answer.state = piece.state;
  if (piece.stop > piece.start) grow(answer, piece);
  if (id !== playing) return;
  if (isFarJump(answer)) find("[data-hint]").hidden = false;
  changed = true;
  wake();
  promiseToSay();
}

function grow(answer, { start, stop }) {
  const run = answer.runs.get(start) ?? { start, stop: start, fresh: [] };
  run.grown = performance.now();
  if (stop > run.stop) run.fresh.push({ from: run.stop, to: stop, at: run.grown });
  run.stop = stop;
  answer.runs.set(start, run);
  answer.last = run;
}

/* Before anything was played or sought, only the index is worth such a way. */
function isFarJump(answer) {
  return video.currentTime === 0 && video.played.length === 0 && answer.last?.start > answer.size / 2;
}

/* Return the spans that were sent at least once, in order and without overlap. */
function litSpans({ answers }) {
  const runs = [...answers.values()].flatMap((answer) => [...answer.runs.values()]);
  const spans = [];
  for (const { start, stop } of runs.sort((a, b) => a.start - b.start)) {
    const last = spans.at(-1);
    if (last && start <= last.stop) last.stop = Math.max(last.stop, stop);
    else spans.push({ start, stop });
  }
  return spans;
}

const lengthOf = (spans) => spans.reduce((sum, { start, stop }) => sum + stop - start, 0);

/* --- words --------------------------------------------------------------- */

function outcome(answer) {
  const sent = bytes(lengthOf([...answer.runs.values()]));
  const ends = { sending: `sending, ${sent}`, complete: `sent ${sent}`, aborted: `sent ${sent}, player left` };
  return ends[answer.state];
}

/* Return in words what the strip shows. */
function describe(spans, size) {
  if (spans.length === 0) return "Nothing fetched yet.";
  const parts = spans.slice(0, SPANS_SAID).map(({ start, stop }) => `${bytes(start)} to ${bytes(stop)}`);
  if (spans.length > SPANS_SAID) parts.push(`and ${spans.length - SPANS_SAID} more parts`);
  return `Fetched of ${bytes(size)}: ${parts.join(", ")}.`;
}

function promiseToSay() {
  clearTimeout(saying);
  saying = setTimeout(say, Math.max(1500, saidAt + SAY_MS - Date.now()));
}

function say() {
  saidAt = Date.now();
  const { answers, size } = films.get(playing);
  const lit = lengthOf(litSpans({ answers }));
  find("[data-status]").textContent = `${bytes(lit)} of ${bytes(size)} fetched in ${counted(answers.size, "answer")}.`;
}

/* --- what is shown ------------------------------------------------------- */

function showCounts(film) {
  const spans = litSpans(film);
  const lit = lengthOf(spans);
  const sent = lengthOf([...film.answers.values()].flatMap((answer) => [...answer.runs.values()]));
  const counts = {
    lit: bytes(lit),
    size: bytes(film.size),
    share: percent(lit, film.size),
    answers: film.answers.size,
    sent: bytes(sent),
  };
  for (const [name, value] of Object.entries(counts)) find(`[data-count=${name}]`).textContent = value;
  strip.canvas.setAttribute("aria-label", describe(spans, film.size));
  strip.canvas.dataset.spans = JSON.stringify(spans.map(({ start, stop }) => [start, stop]));
}

function showLog(film) {
  const list = find("[data-log]");
  const rows = new Map([...list.children].map((row) => [Number(row.dataset.answer), row]));
  const last = [...film.answers.values()].slice(-LOG_ROWS).reverse();
  list.replaceChildren(...last.map((answer) => logRow(rows.get(answer.answer), film, answer)));
  find("[data-log-empty]").hidden = last.length > 0;
}

function logRow(row, film, answer) {
  if (!row) {
    row = find("template").content.firstElementChild.cloneNode(true);
    row.dataset.answer = answer.answer;
    row.style.setProperty("--tone", answer.tone);
    row.querySelector(".status").textContent = answer.status;
    row.querySelector(".asked").textContent = answer.asked || "the whole file";
  }
  row.querySelector(".outcome").textContent = outcome(answer);
  const where = row.querySelector(".where");
  for (const [number, { start, stop }] of [...answer.runs.values()].entries()) {
    const bar = where.children[number] ?? where.appendChild(document.createElement("i"));
    bar.style.left = `min(${(100 * start) / film.size}%, 100% - 3px)`;
    bar.style.width = `${(100 * (stop - start)) / film.size}%`;
  }
  return row;
}

function showScale(size) {
  for (const [number, label] of [...find(".scale").children].entries()) {
    if (number > 0) label.textContent = bytes((size * number) / 4);
  }
}

/* Draw with the next picture of the screen, and on while something moves. */
function wake() {
  if (drawing || playing === null) return;
  drawing = true;
  requestAnimationFrame((now) => {
    drawing = false;
    const film = films.get(playing);
    if (changed) {
      changed = false;
      showCounts(film);
      showLog(film);
    }
    const head = video.duration ? video.currentTime / video.duration : null;
    if (strip.draw(film, head, now) || !video.paused) wake();
  });
}

/* --- picking a clip ------------------------------------------------------ */

function pick(id) {
  if (!clips.has(id) || id === playing) return;
  clips.get(playing)?.removeAttribute("aria-current");
  playing = id;
  const link = clips.get(id);
  const name = link.querySelector(".name").textContent;
  link.setAttribute("aria-current", "true");
  document.title = `${name} · bytereel`;
  find("#playing").textContent = name;
  find(".problem").hidden = find("[data-hint]").hidden = true;
  showScale(filmOf(id).size);
  video.poster = link.querySelector("img")?.src ?? "";
  video.src = `/v3/videos/${id}.mp4${watching ? `?viewer=${viewer}` : ""}`;
  changed = true;
  wake();
}

/* Without a clip in the address the largest: there is most to see in it. */
function pickFromAddress() {
  const id = location.hash.match(/^#video-(\d+)$/)?.[1];
  const bySize = [...clips.keys()].sort((a, b) => clips.get(b).dataset.size - clips.get(a).dataset.size);
  pick(clips.has(id) ? id : bySize[0]);
}

function showLength() {
  clips.get(playing).querySelector(".length").textContent = `${clock(video.duration)} · `;
}

function pickAndPlay() {
  pickFromAddress();
  video.play().catch(() => {}); // a browser that wants a press on play gets one
  find(".stage").scrollIntoView({ block: "nearest" });
}

function showProblem() {
  const broken = video.error.code === MediaError.MEDIA_ERR_NETWORK;
  find(".problem").textContent = broken
    ? "The connection broke while the clip was on its way; pick it again."
    : "This browser does not play this clip; bytereel check says what to mend.";
  find(".problem").hidden = false;
}

function seekTo(event) {
  if (video.duration) video.currentTime = strip.shareAt(event) * video.duration;
}

/* --- start --------------------------------------------------------------- */

function start() {
  if (playing === null) pickFromAddress();
}

/* The first bytes of the first clip belong into the picture: look, then load. */
function startWatching() {
  const source = new EventSource(`/reads?viewer=${viewer}`);
  source.addEventListener("message", ({ data }) => take(JSON.parse(data)));
  source.addEventListener("open", () => {
    watching = true;
    find("[data-lost]").hidden = true;
    start();
  });
  source.addEventListener("error", () => {
    find("[data-lost]").hidden = false;
    start();
  });
  setTimeout(start, OPEN_MS);
}

for (const name of ["play", "playing", "seeking", "seeked", "timeupdate", "loadedmetadata"]) {
  video.addEventListener(name, wake);
}
video.addEventListener("loadedmetadata", showLength);
video.addEventListener("error", showProblem);
strip.canvas.addEventListener("click", seekTo);
addEventListener("hashchange", pickAndPlay);
new ResizeObserver(wake).observe(strip.canvas);
if (clips.size > 0) (document.body.dataset.live === "yes" ? startWatching : start)();
