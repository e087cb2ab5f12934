/* Storage and health at a glance. */

import { bytes, counted, number, percent } from "../numbers.js";
import { ask } from "./api.js";
import { find, linked, say } from "./dom.js";
import { renderPlayback } from "./playback.js";
import { go } from "./route.js";
import { renderTile } from "./tiles.js";
import { span } from "./words.js";

const TIME = new Intl.DateTimeFormat("en", { timeStyle: "medium" });

/* Ask the server how it is, and show that. */
export async function showOverview() {
  const [overview, playback] = await Promise.all([ask("overview"), ask("playback")]);
  tellSummary(overview);
  find("[data-tiles]").replaceChildren(...renderTiles(overview), ...renderPlayback(playback));
  say(find("[data-as-of]"), "", `As of ${TIME.format(Date.now())}.`);
}

/* Say the most important in the page's head. */
export function tellSummary({ videos, bytes: size }) {
  find("[data-summary]").textContent = `${counted(videos, "clip")} · ${bytes(size)}`;
}

/* Ask again after something was saved or deleted; it may fail unheard. */
export function refreshSummary() {
  ask("overview").then(tellSummary, () => {});
}

function renderTiles(overview) {
  return [renderStorage(overview), renderLinks(overview), renderViews(overview.views_today), renderHealth(overview.health)];
}

function renderStorage({ videos, bytes: size, table_bytes: disk, without_thumbnail: bare }) {
  return renderTile("Storage", bytes(size), `in ${counted(videos, "clip")}`, [
    ["On disk, with indexes", disk === null ? "not known" : bytes(disk)],
    ["A clip on average", videos ? bytes(size / videos) : "–"],
    ["Without a thumbnail", number(bare)],
  ]);
}

function renderLinks({ videos, linked: used, unlinked }) {
  const way = unlinked ? [linked("/admin?filter=unlinked", "Show them")] : [];
  return renderTile("Words", percent(used, videos), "of the clips are linked to a word", [
    ["Linked", number(used)],
    ["Not linked", number(unlinked), ...way],
  ]);
}

function renderViews({ started, quarter, half, completed }) {
  return renderTile("Views today", number(started), "times a clip was started", [
    ["Seen a quarter", renderShare(quarter, started)],
    ["Seen half", renderShare(half, started)],
    ["Seen to the end", renderShare(completed, started)],
  ]);
}

function renderShare(part, whole) {
  return whole ? `${number(part)} (${percent(part, whole)})` : number(part);
}

function renderHealth({ database, uptime_seconds: uptime, connections, cache }) {
  const reads = cache.hits + cache.misses;
  return renderTile("Health", "Running", `for ${span(uptime)}`, [
    ["PostgreSQL", database],
    ["Connections in use", `${connections.in_use} of ${connections.open} open`],
    ["Requests waiting for one", number(connections.waiting)],
    ["Cache", cache.limit_bytes ? `${bytes(cache.held_bytes)} of ${bytes(cache.limit_bytes)}` : "switched off"],
    ["Read from the cache", reads ? `${percent(cache.hits, reads)} of ${number(reads)}` : "nothing yet"],
  ]);
}

find("[data-refresh]").addEventListener("click", () => go({ view: "overview" }, { replace: true }));
