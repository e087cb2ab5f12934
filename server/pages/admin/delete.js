/* Delete a clip, after saying exactly what would lose it. */

import { counted } from "../numbers.js";
import { ask } from "./api.js";
import { attempt, find, make, named, say } from "./dom.js";
import { nameLink } from "./links.js";
import { refreshSummary } from "./overview.js";
import { go } from "./route.js";

const dialog = find("[data-confirm]");
const said = find("[data-deleting]");
let asked = null; // the clip that the dialog is about

/* Ask what shows the clip at this moment, then ask the person. */
async function confirmDelete(clip) {
  const fresh = await ask(`videos/${clip.id}`);
  asked = fresh;
  find("h2", dialog).replaceChildren("Delete “", named(fresh.filename), "”?");
  find("[data-losses]", dialog).replaceChildren(...renderLosses(fresh));
  say(said, "");
  dialog.showModal();
}

function renderLosses({ id, links }) {
  if (links.length === 0) return [make("p", {}, "No word shows it, so nothing else changes.")];
  const count = counted(links.length, "definition or question shows it and loses it", "definitions and questions show it and lose it");
  const entries = links.map((link) => renderLoss(id, link));
  return [make("p", {}, `${count}:`), make("ul", { className: "losses", tabIndex: 0, "aria-label": "What loses it" }, ...entries)];
}

function renderLoss(id, link) {
  const others = link.videos.filter((video) => video !== id).length;
  const left = others ? `keeps ${counted(others, "other clip")}` : "is left without any clip";
  return make("li", { "data-bare": String(others === 0) }, make("span", {}, ...nameLink(link)), " ", make("small", {}, left));
}

async function remove(forget) {
  const { id, filename } = asked;
  let unlinked = [];
  say(said, "busy", "Deleting …");
  try {
    ({ unlinked } = await ask(`videos/${id}`, { method: "DELETE" }));
  } catch (trouble) {
    if (trouble.kind !== "gone") throw trouble; // another has deleted it: that will do
  }
  dialog.close();
  forget();
  const from = unlinked.length ? ` and taken from ${counted(unlinked.length, "definition or question", "definitions and questions")}` : "";
  go({}, { replace: true }); // the way back does not lead to what is gone
  say(find("[data-news]"), "done", "“", named(filename), `” was deleted${from}. Within five seconds nobody gets it any more.`);
  refreshSummary();
}

export function listenToDelete(clip, forget) {
  const button = find("[data-delete]");
  button.addEventListener("click", () => clip() && attempt(button, find("[data-done]"), () => confirmDelete(clip())));
  find("[data-keep]").addEventListener("click", () => dialog.close());
  const really = find("[data-really]");
  really.addEventListener("click", () => attempt(really, said, () => remove(forget)));
}
