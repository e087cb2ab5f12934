/* The captions of a clip: which there are, one more, changed, or one less. */

import { counted } from "../numbers.js";
import { ask } from "./api.js";
import { attempt, find, make, markWrong, named, say } from "./dom.js";

const LANGUAGE_OF_FILE = /\.([a-z]{2,3}(?:-[a-z0-9]+)*)\.(?:vtt|srt)$/i;

const section = find("section[data-view=clip]");
const player = find("video", section);
const said = find("[data-captioned]", section);
const list = find("[data-captions]", section);
const form = find("[data-caption]", section);
const language = find("[data-language]", form);
const file = find("[data-caption-file]", form);
const text = find("[data-caption-text]", form);
let current = () => null;
let chosen = null; // the file, as long as its text is as it came: the server knows encodings

/* Show the captions of a clip, in its list and in its player. */
export async function showCaptions(id) {
  const { captions } = await ask(`videos/${id}/captions`);
  if (captions.length) list.replaceChildren(...captions.map((each) => renderEntry(id, each)));
  else list.replaceChildren(make("li", { className: "none" }, "This clip has no captions yet."));
  for (const track of player.querySelectorAll("track")) track.remove();
  player.append(...captions.map((each) => renderTrack(id, each)));
}

/* Leave nothing of another clip in the form. */
export function clearCaptions() {
  form.reset();
  chosen = null;
  markWrong(language, false);
  for (const track of player.querySelectorAll("track")) track.remove();
}

const address = (id, tag) => `/v3/videos/${id}/captions/${tag}.vtt`;

/* The time of the change is in the address, so that what the browser keeps is not shown. */
function renderTrack(id, { language: tag, label, updated_at: changed }) {
  return make("track", { kind: "captions", srclang: tag, label, src: `${address(id, tag)}?${encodeURIComponent(changed)}` });
}

function renderEntry(id, entry) {
  const { language: tag, label, cues } = entry;
  const edit = make("button", { type: "button", "aria-label": `Edit the captions in ${label}, ${tag}` }, "Edit");
  const remove = make("button", { type: "button", "aria-label": `Remove the captions in ${label}, ${tag}` }, "Remove");
  edit.addEventListener("click", () => attempt(edit, said, () => begin(id, tag)));
  remove.addEventListener("click", () => attempt(remove, said, () => take(id, entry)));
  const name = make("span", { className: "name" }, named(label));
  const more = make("small", {}, `${tag}, ${counted(cues, "cue")}`);
  return make("li", {}, make("p", {}, name, " ", more), make("p", { className: "buttons" }, edit, " ", remove));
}

/* Return the text of captions as they are kept now. */
async function read(id, tag) {
  const response = await fetch(address(id, tag), { cache: "no-store" });
  if (!response.ok) await ask(`videos/${id}/captions`); // which says what is wrong
  return response.ok ? response.text() : "";
}

async function begin(id, tag) {
  const kept = await read(id, tag);
  if (current()?.id !== id) return;
  clearField();
  language.value = tag;
  text.value = kept;
  say(said, "");
  text.focus();
}

function clearField() {
  file.value = "";
  chosen = null;
  markWrong(language, false);
}

async function take(id, { language: tag, label }) {
  const kept = await read(id, tag);
  await ask(`videos/${id}/captions/${tag}`, { method: "DELETE" });
  const undo = make("button", { type: "button" }, "Undo");
  undo.addEventListener("click", () => attempt(undo, said, () => restore(id, tag, label, kept)));
  await reload(id);
  say(said, "done", "Removed the captions in ", named(label), ". ", undo);
  undo.focus(); // the button that was pressed is gone
}

async function restore(id, tag, label, kept) {
  await ask(`videos/${id}/captions/${tag}`, { method: "PUT", text: kept });
  await reload(id);
  say(said, "done", "The captions in ", named(label), " are back.");
}

async function save(id) {
  const tag = language.value.trim();
  const sent = chosen ?? text.value;
  markWrong(language, tag === "");
  if (tag === "") {
    say(said, "wrong", "Type the language, such as en or pt-BR.");
    language.focus();
    return;
  }
  const { status, label, cues, warning } = await ask(`videos/${id}/captions/${encodeURIComponent(tag)}`, { method: "PUT", text: sent });
  if (current()?.id !== id) return;
  clearCaptions();
  await reload(id);
  const done = status === "exists" ? "They were there already: " : "Saved: ";
  const more = warning ? ` But ${warning}.` : "";
  say(said, "done", done, named(label), `, ${counted(cues, "cue")}.${more}`);
  said.scrollIntoView({ block: "nearest" });
}

async function reload(id) {
  if (current()?.id === id) await showCaptions(id);
}

async function choose() {
  [chosen = null] = file.files;
  if (chosen === null) return;
  const found = LANGUAGE_OF_FILE.exec(chosen.name);
  if (found) [, language.value] = found;
  text.value = await chosen.text();
}

export function listenToCaptions(clip) {
  current = clip;
  file.addEventListener("change", choose);
  text.addEventListener("input", () => {
    chosen = null;
    file.value = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (clip()) attempt(find("button", form), said, () => save(clip().id));
  });
}
