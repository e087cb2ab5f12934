/* A field for a word that completes what is typed (ARIA practices, combobox with a list). */

import { counted } from "../numbers.js";
import { ask } from "./api.js";
import { copy, find, make, markWrong, named, say } from "./dom.js";
import { wordCandidates, wordKey } from "./naming.js";
import { tellLanguages } from "./words.js";

const TYPING_MS = 150;
const HINT = "Type its first letters, then choose.";
const MOST = 20; // so many the server names
const ASKED_MOST = 4; // of the words that a file may be for
let fields = 0;

export class WordField {
  /* Take the place of an element; chosen hears of each choice. */
  constructor(place, label, chosen = () => {}) {
    fields += 1;
    const id = `word-${fields}`;
    this.root = copy("word");
    this.input = find("input", this.root);
    this.list = find("ul", this.root);
    this.hint = find(".hint", this.root);
    this.chosen = chosen;
    this.choice = null; // { word, language, native? }
    this.options = [];
    this.active = -1;
    this.asked = 0;
    find("label", this.root).textContent = label;
    find("label", this.root).htmlFor = this.input.id = id;
    this.list.id = `${id}-list`;
    this.input.setAttribute("aria-controls", this.list.id);
    say(this.hint, "", HINT);
    this.listen();
    place.replaceWith(this.root);
  }

  listen() {
    let typing = 0;
    this.input.addEventListener("input", () => {
      this.choose(null);
      clearTimeout(typing);
      typing = setTimeout(() => this.complete(), TYPING_MS);
    });
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.input.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays
    this.list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.take(this.options[Number(option.dataset.index)]);
    });
  }

  get text() {
    return this.input.value.trim();
  }

  clear() {
    this.input.value = "";
    this.choose(null);
    this.close();
  }

  choose(choice) {
    this.choice = choice;
    markWrong(this.input, false);
    say(this.hint, "", HINT);
    this.chosen(choice);
  }

  /* Say that what was typed is no word yet; return whether that is so. */
  refuse() {
    if (this.choice !== null || this.text === "") return false;
    markWrong(this.input, true);
    say(this.hint, "wrong", "Choose a word from the list, or leave the field empty.");
    this.input.focus();
    this.complete();
    return true;
  }

  /* Ask which words begin with what is typed; an answer that a later one overtook is lost. */
  async complete({ any = false } = {}) {
    this.asked += 1;
    const mine = this.asked;
    const prefix = this.text;
    if (prefix === "" && !any) {
      this.close();
      return;
    }
    try {
      const { words } = await ask("words", { parameters: { prefix } });
      if (mine !== this.asked || this.choice !== null || document.activeElement !== this.input) return;
      this.open(gather(words), words.length >= MOST);
    } catch (trouble) {
      if (mine === this.asked) say(this.hint, "wrong", ...trouble.tell());
    }
  }

  open(options, more) {
    this.options = options;
    this.active = -1;
    this.list.replaceChildren(...options.map((option, index) => this.render(option, index)));
    this.list.hidden = options.length === 0;
    this.input.setAttribute("aria-expanded", String(options.length > 0));
    this.input.removeAttribute("aria-activedescendant");
    this.list.scrollIntoView({ block: "nearest" });
    if (options.length === 0) say(this.hint, "", "No word begins like that.");
    else say(this.hint, "", `${counted(options.length, "choice")}${more ? ", and more: type on" : ""}. Arrow keys and Enter choose.`);
  }

  close() {
    this.asked += 1;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  render(option, index) {
    const id = `${this.list.id}-${index}`;
    return make(
      "li",
      { id, role: "option", "aria-selected": "false", "data-index": index },
      make("strong", {}, named(option.word)), " ",
      make("span", {}, named(tellLanguages(option))), " ",
      make("small", {}, named(option.text)), " ",
      make("small", {}, tellClips(option.videos)),
    );
  }

  pressed(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.isComposing) return;
    if (event.key in moves) {
      event.preventDefault();
      if (this.list.hidden) this.complete({ any: true });
      else this.move(moves[event.key]);
    } else if (event.key === "Enter" && !this.list.hidden) {
      const option = this.options[this.active] ?? (this.options.length === 1 ? this.options[0] : null);
      event.preventDefault();
      if (option) this.take(option);
      else this.move(1);
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
    }
  }

  move(step) {
    const count = this.options.length;
    this.active = (this.active + step + count + (this.active < 0 && step < 0 ? 1 : 0)) % count;
    for (const [index, option] of [...this.list.children].entries()) {
      option.setAttribute("aria-selected", String(index === this.active));
    }
    const option = this.list.children[this.active];
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  take({ word, language, native }) {
    this.close();
    this.choose({ word, language, ...(native ? { native } : {}) });
    this.input.value = word;
    say(this.hint, "done", "Chosen: ", named(word), ", ", named(tellLanguages({ language, native })), ".");
  }
}

function tellClips(videos) {
  if (videos === undefined) return "";
  return videos ? counted(videos, "clip") : "no clip yet";
}

/* Return what can be chosen: all definitions of a word, or those for one native language. */
function gather(words) {
  const options = new Map();
  const add = (key, option) => {
    const known = options.get(key);
    if (!known) options.set(key, option);
    else if (!known.text.includes(option.text)) Object.assign(known, { text: `${known.text}; ${option.text}`, videos: known.videos + option.videos });
  };
  for (const { word, language, native, definition_text: text, videos } of words) {
    const spoken = new Set(words.filter((each) => each.word === word && each.language === language).map((each) => each.native));
    if (spoken.size > 1) {
      add(JSON.stringify([word, language]), { word, language, text: `whoever learns it` });
    }
    add(JSON.stringify([word, language, native]), { word, language, native, text, videos });
  }
  return [...options.values()];
}

/* Return the word a file is for by its name, null for none or for more than one. */
export async function proposeWord(filename) {
  const candidates = wordCandidates(filename);
  const asked = listPrefixes(filename, candidates).map((prefix) => ask("words", { parameters: { prefix } }));
  const words = (await Promise.all(asked)).flatMap((answer) => answer.words);
  for (const candidate of candidates) {
    const same = words.filter(({ word }) => wordKey(word) === candidate);
    const found = new Map(same.map(({ word, language }) => [JSON.stringify([word, language]), { word, language }]));
    if (found.size > 0) return found.size === 1 ? [...found.values()][0] : null;
  }
  return null;
}

/* Return what to ask the server for: it completes letters in any case, but knows no other
   way to write a word. The last one is what all ways begin with. */
function listPrefixes(filename, candidates) {
  const near = candidates.slice(-ASKED_MOST);
  const written = filename.split("_")[0].replace(/\.\w+$/, "");
  const [common] = near.at(-1)?.split(/[ ']|ss/) ?? [];
  return [...new Set([...near, ...near.map((key) => key.replaceAll(" ", "-")), written, common])].filter(Boolean);
}
