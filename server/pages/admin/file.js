/* One file of the queue on the page: how far it is, what was found, what can be done. */

import { bytes, counted } from "../numbers.js";
import { renderFlaws } from "./check.js";
import { copy, find, linked, make, markWrong, named, say } from "./dom.js";
import { tellLinked } from "./links.js";
import { cleanName, nextName, repairedName } from "./naming.js";
import { address } from "./route.js";
import { proposeWord, WordField } from "./word-field.js";
import { REPAIRS, verdict } from "./words.js";

const WAITING = {
  "": "Waiting for its turn.",
  full: "Waiting until you have saved or discarded some of those above.",
  away: "The server does not answer. This goes on by itself when it is back.",
  database: "The server is without its database. This goes on by itself when it is back.",
  locked: "After wrong tokens the server takes nothing from here for a while. This goes on by itself.",
};
const SAVING = { none: "Saving …", fix: "Repairing and saving …", transcode: "Converting and saving. This may take minutes …" };
const MEANINGS = {
  fix: "Repairing changes how the file is laid out; picture and sound stay as they are.",
  transcode: "Converting encodes picture and sound anew, which takes a while.",
};

export class FileCard {
  constructor(item, queue) {
    this.item = item;
    this.queue = queue;
    this.root = copy("file");
    this.state = ""; // what is shown of it
    find("h2", this.root).append(named(item.name));
    find("[data-size]", this.root).textContent = bytes(item.file.size);
    find("progress", this.root).setAttribute("aria-label", `Sent of ${item.name}`);
    this.word = new WordField(find("[data-word]", this.root), "Word that shows it (optional)");
    find("[data-choice]", this.root).addEventListener("submit", (event) => {
      event.preventDefault();
      find(".main", this.root)?.click();
    });
    this.show();
  }

  place(name) {
    return find(`[data-${name}]`, this.root);
  }

  /* Bring the page up to the file's state; progress alone changes no words. */
  show() {
    const { state, sent, file } = this.item;
    const going = ["sending", "checking", "saving"].includes(state);
    const bar = find("progress", this.root);
    if (going && state !== "sending") bar.removeAttribute("value"); // nobody knows how far it is
    else bar.value = sent / (file.size || 1);
    this.place("percent").textContent = state === "sending" ? `${Math.floor((100 * sent) / file.size)} %` : "";
    const now = `${state} ${this.item.held} ${this.item.message}`;
    if (now === this.state) return;
    const held = this.root.contains(document.activeElement);
    this.state = now;
    this.root.dataset.state = state;
    this.showState();
    this.place("buttons").replaceChildren(...this.renderButtons());
    this.place("choice").hidden = state !== "checked" || this.settled || !this.saveable;
    this.place("going").hidden = state === "checked" || state === "saved" || state === "failed";
    if (held && !isShown(document.activeElement)) find("h2", this.root).focus();
  }

  /* Whether a file that was checked is in the library already. */
  get settled() {
    return this.item.result?.exists != null;
  }

  /* Whether there is any way to keep it. */
  get saveable() {
    const { playable, repair } = this.item.result ?? {};
    return Boolean(playable || repair);
  }

  showState() {
    const { state, held, message, repair } = this.item;
    const place = this.place("state");
    say(this.place("answer"), "");
    if (state === "waiting" || state === "failed") this.begin();
    if (state === "waiting") say(place, "", WAITING[held]);
    else if (state === "sending") say(place, "", "Uploading …");
    else if (state === "checking") say(place, "busy", "Uploaded. The server checks it …");
    else if (state === "checked") this.showChecked();
    else if (state === "saving") say(place, "busy", SAVING[repair]);
    else if (state === "saved") this.showSaved();
    else if (state === "failed") say(place, "wrong", named(message));
  }

  /* Take back what an earlier try has found. */
  begin() {
    this.proposed = false;
    this.place("flaws").replaceChildren();
    this.word.clear();
  }

  showChecked() {
    const { result, message, taken = false } = this.item;
    const place = this.place("state");
    if (this.settled) {
      say(place, "done", "This file is in the library already. ", linked(address({ video: result.exists }), "Open it"));
      return;
    }
    if (message) say(this.place("answer"), "wrong", named(message));
    markWrong(this.place("name"), taken);
    const { flaws, repair, playable } = result;
    say(place, playable && !flaws.length ? "done" : playable ? "" : "wrong", this.tellVerdict(), ...this.tellTwins());
    this.place("flaws").replaceChildren(...renderFlaws(flaws, repair));
    if (this.proposed) return; // name and word are as the person has left them
    this.proposed = true;
    this.place("name").value = this.proposeName();
    if (this.saveable) this.proposeWord();
  }

  tellVerdict() {
    const { flaws, repair, filename } = this.item.result;
    if (!this.saveable) return "It cannot be saved: it has what cannot be repaired here.";
    const renamed = /\.mp4$/i.test(filename) ? "" : " The file name will then end in .mp4.";
    return verdict(flaws) + (repair ? ` ${MEANINGS[repair]}${renamed}` : "");
  }

  /* Name the clips that have the same bytes, or the same name. */
  tellTwins() {
    const { same_bytes: twins, name_taken: taken, filename, repair } = this.item.result;
    const parts = [];
    if (twins.length) {
      parts.push(" The same video is in the library under another name: ");
      parts.push(...twins.flatMap((id) => [linked(address({ video: id }), `clip ${id}`), ", "]).slice(0, -1), ".");
    }
    if (taken !== null) {
      const name = repair ? repairedName(filename) : filename;
      parts.push(" The name “", named(name), "” belongs to ", linked(address({ video: taken }), "another clip"), ", so this one has got another.");
    }
    return parts;
  }

  proposeName() {
    const { filename, name_taken: taken } = this.item.result;
    const clean = cleanName(filename);
    return taken === null ? clean : nextName(clean);
  }

  async proposeWord() {
    try {
      const found = await proposeWord(this.item.result.filename);
      if (!found || this.word.text || this.item.state !== "checked") return;
      this.word.take(found);
      this.word.hint.append(" Proposed by the file’s name.");
    } catch (trouble) {
      if (!trouble.kind) throw trouble; // a proposal less is no harm
    }
  }

  showSaved() {
    const { saved } = this.item;
    const how = { fixed: "Repaired and saved", transcoded: "Converted and saved" }[saved.repaired] ?? "Saved";
    const text = saved.status === "exists" ? "It was in the library already. " : `${how}, ${bytes(saved.bytes)}. `;
    if (saved.link_error) say(this.place("answer"), "wrong", "It is not linked to a word: ", named(saved.link_error));
    const linkage = saved.links?.length ? [...tellLinked(saved.links, saved.link), " "] : [];
    say(this.place("state"), "done", text, ...linkage, linked(address({ video: saved.video_id }), "Open it"));
    this.place("flaws").replaceChildren(...renderFlaws(saved.flaws ?? [], "none"));
  }

  /* --- buttons ----------------------------------------------------------- */

  renderButtons() {
    const { queue, item } = this;
    const remove = (label) => button(label, () => this.leave());
    if (["waiting", "sending", "checking"].includes(item.state)) return [button("Cancel", () => queue.cancel(item))];
    if (item.state === "failed") {
      const again = item.hopeless ? [] : [button("Try again", () => queue.retry(item), "main")];
      return [...again, remove("Remove")];
    }
    if (item.state === "saved") return [remove("Clear")];
    if (item.state !== "checked") return [];
    if (this.settled) return [remove("Clear")];
    return [...this.renderSaving(), remove("Discard")];
  }

  renderSaving() {
    const { flaws, repair, playable } = this.item.result;
    const buttons = [];
    if (repair) buttons.push(button(REPAIRS[repair], () => this.save(repair), "main"));
    if (repair === "fix" && flaws.some((flaw) => flaw.severity !== "note" && flaw.repair === "transcode")) {
      buttons.push(button(REPAIRS.transcode, () => this.save("transcode")));
    }
    if (playable) buttons.push(button(repair ? "Save as it is" : "Save", () => this.save("none"), repair ? "" : "main"));
    return buttons;
  }

  /* Whether it can be saved with the others, at a press. */
  get isReady() {
    const { state, result } = this.item;
    return state === "checked" && !this.settled && result.playable && !result.repair;
  }

  async save(repair) {
    const name = this.place("name");
    const wrong = name.value.trim() === "";
    markWrong(name, wrong);
    if (wrong) {
      say(this.place("answer"), "wrong", "Give it a file name.");
      name.focus();
      return;
    }
    if (this.word.refuse()) return;
    const link = this.word.choice ? { link: this.word.choice } : {};
    await this.queue.save(this.item, { filename: name.value.trim(), repair, ...link });
  }

  /* Go, and leave the focus with a neighbour. */
  leave() {
    const next = this.root.nextElementSibling ?? this.root.previousElementSibling;
    const target = next ? find("h2", next) : find("section[data-view=upload] h1");
    this.queue.remove(this.item);
    target.focus();
  }
}

function button(label, act, className = "") {
  const made = make("button", { type: "button", className }, label);
  made.addEventListener("click", act);
  return made;
}

function isShown(element) {
  return element !== document.body && element.isConnected && element.checkVisibility();
}

export function tellQueue(queue) {
  const parts = [
    [queue.count("waiting", "sending", "checking", "saving"), "on its way", "on their way"],
    [queue.count("checked"), "to decide on", "to decide on"],
    [queue.count("saved"), "saved", "saved"],
    [queue.count("failed"), "failed or stopped", "failed or stopped"],
  ];
  return parts.filter(([count]) => count).map(([count, one, many]) => `${counted(count, one, many)}`).join(" · ");
}
