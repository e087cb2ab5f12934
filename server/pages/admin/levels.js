/* The smaller levels of a clip: which there are, and what becomes of the others. */

import { bytes, counted, percent } from "../numbers.js";
import { ask } from "./api.js";
import { attempt, find, make, say } from "./dom.js";

const AGAIN_MS = 2000; // while some are being made

const section = find("section[data-view=clip]");
const said = find("[data-leveled]", section);
const list = find("[data-levels]", section);
const cancel = find("[data-level-cancel]", section);
const again = find("[data-level-again]", section);
let current = () => null;
let timer = 0;

const isOpen = ({ state }) => ["queued", "encoding"].includes(state);

/* Show the levels of a clip, and go on while some are being made. */
export function showLevels({ id, levels }) {
  clearTimeout(timer);
  const none = make("li", { className: "none" }, "This clip has no levels, and none is queued.");
  list.replaceChildren(...(levels.length ? levels.map(renderLevel) : [none]));
  cancel.hidden = !levels.some(isOpen);
  again.hidden = levels.length > 0 && !levels.some(({ state }) => ["failed", "cancelled", "not-kept"].includes(state));
  again.textContent = levels.length ? "Make them again" : "Make levels";
  if (levels.some(isOpen)) timer = setTimeout(() => follow(id), AGAIN_MS);
}

/* Show nothing, and ask no more. */
export function clearLevels() {
  clearTimeout(timer);
  list.replaceChildren();
  say(said, "");
}

function renderLevel(level) {
  return make("li", {}, make("p", {}, make("span", { className: "name" }, `${level.height}p`), " ", make("small", {}, tellState(level))));
}

function tellState({ state, progress, reason, bytes: size, bit_rate: rate }) {
  if (state === "ready") return rate ? `${bytes(size)}, ${Math.round(rate / 1000)} kbit/s` : bytes(size);
  if (state === "encoding") return `is being made: ${percent(progress, 1)}`;
  if (state === "queued") return "waits to be made";
  if (state === "cancelled") return "was cancelled";
  return `${state === "failed" ? "failed" : "was not kept"}: ${reason ?? "nobody knows why"}`;
}

async function follow(id) {
  if (current()?.id !== id || !section.checkVisibility()) return;
  try {
    const { levels } = await ask(`videos/${id}`);
    if (current()?.id === id) showLevels({ id, levels });
  } catch (trouble) {
    if (!trouble.kind) throw trouble;
    say(said, "wrong", ...trouble.tell());
  }
}

async function change(action) {
  const { id } = current();
  const { changed, levels } = await ask(`videos/${id}/levels`, { method: "POST", json: { action } });
  if (current()?.id !== id) return;
  showLevels({ id, levels });
  say(said, "done", `${counted(changed, "level")} ${action === "cancel" ? "cancelled" : "queued"}.`);
}

export function listenToLevels(clip) {
  current = clip;
  cancel.addEventListener("click", () => attempt(cancel, said, () => change("cancel")));
  again.addEventListener("click", () => attempt(again, said, () => change("again")));
}
