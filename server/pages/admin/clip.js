/* One clip: played, checked, and what is known of it. */

import { bytes, clock, number, percent } from "../numbers.js";
import { ask } from "./api.js";
import { clearCaptions, listenToCaptions, showCaptions } from "./captions.js";
import { renderFlaws } from "./check.js";
import { listenToDelete } from "./delete.js";
import { attempt, copyText, find, MOMENT, make, named, say, timed } from "./dom.js";
import { clearLevels, listenToLevels, showLevels } from "./levels.js";
import { listenToLinks, showLinks } from "./links.js";
import { address, readRoute } from "./route.js";
import { verdict } from "./words.js";

const section = find("section[data-view=clip]");
const player = find("video", section);
let clip = null;

/* Show the clip that the route names; coming back to the same one keeps its place. */
export async function showClip(route) {
  find("[data-back]", section).href = address({});
  if (clip && String(clip.id) !== route.video) forget();
  if (!clip) find("h1", section).textContent = "Clip";
  try {
    const found = await ask(`videos/${encodeURIComponent(route.video)}`);
    if (readRoute().video !== route.video) return; // another was opened meanwhile
    if (found.id !== clip?.id) begin(found);
    clip = found;
    document.title = `${clip.filename.replace(/[\p{Cc}\p{Cf}]/gu, " ")} · bytereel admin`;
    showLinks(clip);
    showLevels(clip);
    await showCaptions(clip.id);
    if (readRoute().video !== route.video) return;
    showFacts(clip);
    find("[data-clip]", section).hidden = false;
  } catch (trouble) {
    if (trouble.kind === "gone") {
      forget();
      trouble.message = "This clip is not on the server; it may have been deleted.";
    }
    throw trouble;
  }
}

/* Stop what plays, so that nothing is fetched behind another view. */
function forget() {
  clip = null;
  find("[data-clip]", section).hidden = true;
  player.removeAttribute("src");
  player.removeAttribute("poster");
  player.load();
}

function begin({ id, filename, thumbnail }) {
  find("h1", section).replaceChildren(named(filename));
  for (const place of section.querySelectorAll(".said")) say(place, "");
  clearCaptions();
  clearLevels();
  find("[data-flaws]", section).replaceChildren();
  find("[data-unplayable]", section).hidden = true;
  find("[data-copied]", section).replaceChildren();
  find("[data-address]", section).textContent = new URL(`/v3/videos/${id}.mp4`, location).href;
  if (thumbnail) player.poster = `/v3/videos/${id}/thumbnail`;
  else player.removeAttribute("poster");
  player.src = `/v3/videos/${id}.mp4`;
}

function showFacts({ id, bytes: size, duration_seconds: seconds, mime_type: type, created_at: added, sha256, views }) {
  const facts = [
    ["Length", seconds === null ? "not known" : clock(seconds)],
    ["Size", `${bytes(size)} (${number(size)} bytes)`],
    ["Type", type],
    ["Added", timed(added, MOMENT)],
    ["Number", String(id)],
    ["Views", tellViews(views)],
    ["SHA-256", make("code", {}, sha256 ?? "not known")],
  ];
  find("[data-facts]", section).replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function tellViews({ started, quarter, half, completed }) {
  if (!started) return "none yet";
  return `${number(started)} started, ${percent(quarter, started)} saw a quarter, ${percent(half, started)} half, ${percent(completed, started)} all`;
}

async function check() {
  const place = find("[data-checked]", section);
  const { id } = clip;
  find("[data-flaws]", section).replaceChildren();
  say(place, "busy", "Checking …");
  const { flaws } = await ask(`videos/${id}/flaws`, { slow: true });
  if (clip?.id !== id) return;
  say(place, flaws.some(({ severity }) => severity === "fault") ? "wrong" : "done", verdict(flaws));
  find("[data-flaws]", section).replaceChildren(...renderFlaws(flaws, "none"));
}

function showUnplayable() {
  if (!player.hasAttribute("src")) return;
  const place = find("[data-unplayable]", section);
  const broken = player.error?.code === MediaError.MEDIA_ERR_NETWORK;
  place.hidden = false;
  place.textContent = broken
    ? "The connection broke while the clip was on its way. Reload this page to try again."
    : "This browser does not play this clip. Check it below to learn why.";
}

/* Leave a view behind without sound. */
export function pauseClip() {
  player.pause();
}

player.addEventListener("error", showUnplayable);
find("[data-check]", section).addEventListener("click", ({ currentTarget }) => attempt(currentTarget, find("[data-checked]", section), check));
find("[data-copy]", section).addEventListener("click", () => {
  const code = find("[data-address]", section);
  copyText(code.textContent, code, find("[data-copied]", section));
});
listenToLinks(() => clip);
listenToLevels(() => clip);
listenToCaptions(() => clip);
listenToDelete(() => clip, forget);
