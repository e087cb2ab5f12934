/* Which words show a clip; one more, or one less. */

import { counted } from "../numbers.js";
import { ask } from "./api.js";
import { attempt, find, make, named, say } from "./dom.js";
import { WordField } from "./word-field.js";
import { tellLanguages } from "./words.js";

const section = find("section[data-view=clip]");
const said = find("[data-linked]", section);
const list = find("[data-links]", section);
const field = new WordField(find("[data-word]", section), "Word");
let current = () => null;

/* Show the links of a clip. */
export function showLinks({ id, links }) {
  if (links.length) list.replaceChildren(...links.map((link) => renderLink(id, link)));
  else list.replaceChildren(make("li", { className: "none" }, "No word shows this clip yet."));
}

/* Return what shows a clip, as it is read. */
export function nameLink({ kind, word, ...languages }) {
  const what = kind === "question" ? "a question about " : "";
  return [what, "“", named(word ?? "?"), "” (", named(tellLanguages(languages)), ")"];
}

function renderLink(id, link) {
  const others = link.videos.filter((video) => video !== id).length;
  const more = others ? `Shows ${counted(others, "other clip")} too.` : "Shows only this clip.";
  const button = make("button", { type: "button" }, "Unlink");
  const [kind, word] = [link.kind === "question" ? "the question about" : "", link.word ?? "?"];
  button.setAttribute("aria-label", `Unlink from ${kind} ${word}, ${tellLanguages(link)}, number ${link.id}`.replace(/\s+/g, " "));
  button.addEventListener("click", () => attempt(button, said, () => unlink(id, link)));
  return make("li", {}, make("p", {}, make("span", { className: "name" }, ...nameLink(link)), " ", make("small", {}, more)), button);
}

async function unlink(id, link) {
  await ask(`videos/${id}/links`, { method: "DELETE", parameters: { [link.kind]: link.id } });
  const undo = make("button", { type: "button" }, "Undo");
  undo.addEventListener("click", () => attempt(undo, said, () => relink(id, link)));
  await reload(id);
  say(said, "done", "Unlinked from ", ...nameLink(link), ". ", undo);
  undo.focus(); // the button that was pressed is gone
}

async function relink(id, link) {
  await ask(`videos/${id}/links`, { method: "POST", json: { [link.kind]: link.id } });
  await reload(id);
  say(said, "done", "Linked to ", ...nameLink(link), " again.");
  find("h2", said.parentElement).focus();
}

async function link(id) {
  if (field.refuse()) return;
  if (field.choice === null) {
    say(said, "wrong", "Type the beginning of a word and choose one.");
    field.input.focus();
    return;
  }
  const { choice } = field;
  const replace = find("[data-replace]", section);
  const { links } = await ask(`videos/${id}/links`, { method: "POST", json: { ...choice, ...(replace.checked ? { replace: true } : {}) } });
  field.clear();
  replace.checked = false;
  await reload(id);
  say(said, "done", ...tellLinked(links, choice));
  said.scrollIntoView({ block: "nearest" });
}

/* Return what became of a link to a word. */
export function tellLinked(links, { word }) {
  const fresh = links.filter(({ status }) => status === "linked").length;
  const what = ["“", named(word), "”"];
  if (fresh === 0) return [...what, " shows this clip already."];
  return [`Linked: ${counted(fresh, "definition")} of `, ...what, fresh === 1 ? " shows it now." : " show it now."];
}

async function reload(id) {
  const found = await ask(`videos/${id}`);
  if (current()?.id === id) showLinks(found);
}

export function listenToLinks(clip) {
  current = clip;
  find("h2", said.parentElement).tabIndex = -1;
  const form = find("[data-link]", section);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (clip()) attempt(find("button:not([type])", form), said, () => link(clip().id));
  });
}
