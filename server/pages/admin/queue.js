/* Files on their way: sent two at a time, checked by the server, saved when a person says
   so. Knows nothing of the page; it calls back whenever a file has changed its state.

   waiting → sending → checking → checked → saving → saved
   any of them → failed, and from there again to waiting */

import { bytes } from "../numbers.js";
import { ask, hasToken, sendFile } from "./api.js";
import { cleanName } from "./naming.js";

const AT_ONCE = 2;
const UNSAVED_MOST = 15; // the server drops the oldest of more than 20
export const FILE_BYTES_MOST = 1_073_740_000; // what a value of PostgreSQL holds

export class Queue {
  constructor(changed) {
    this.changed = changed;
    this.items = [];
    this.pause = ""; // away or locked: why nothing is sent for some seconds
  }

  count(...states) {
    return this.items.filter(({ state }) => states.includes(state)).length;
  }

  /* What would be lost with the page. */
  get open() {
    return this.count("waiting", "sending", "checking", "checked", "saving");
  }

  /* Whether nothing more is sent until a person has decided on what is there. */
  get full() {
    return this.count("sending", "checking", "checked", "saving") >= UNSAVED_MOST;
  }

  add(files) {
    for (const file of files) {
      const message = findObstacle(file);
      const item = { file, name: file.name, sent: 0, held: "", result: null, saved: null, hopeless: message !== "" };
      this.items.push(item);
      this.set(item, message ? "failed" : "waiting", { message });
    }
    this.pump();
  }

  set(item, state, more = {}) {
    Object.assign(item, { state, ...more });
    this.changed(item);
  }

  /* Begin with what waits, as far as there is room. */
  pump() {
    for (const item of this.items.filter(({ state }) => state === "waiting")) {
      if (!hasToken() || this.pause || this.full || this.count("sending", "checking") >= AT_ONCE) break;
      this.send(item);
    }
    for (const item of this.items.filter(({ state }) => state === "waiting")) {
      this.set(item, "waiting", { held: this.pause || (this.full ? "full" : "") });
    }
  }

  async send(item) {
    const { done, stop } = sendFile(item.file, cleanName(item.name), (sent) => this.heard(item, sent));
    this.set(item, "sending", { stop, sent: 0, message: "" });
    try {
      const result = await done;
      if (item.state === "gone") ask(`uploads/${result.upload}`, { method: "DELETE" }).catch(() => {});
      else this.set(item, "checked", { result });
    } catch (trouble) {
      this.stumble(item, trouble);
    }
    this.pump();
  }

  heard(item, sent) {
    if (item.state !== "sending") return;
    item.sent = Math.min(sent, item.file.size);
    this.set(item, sent >= item.file.size ? "checking" : "sending");
  }

  stumble(item, trouble) {
    if (!trouble.kind) throw trouble;
    if (item.state === "gone") return;
    if (trouble.kind === "token") {
      this.set(item, "waiting", { sent: 0 });
    } else if (trouble.seconds > 0) {
      this.set(item, "waiting", { sent: 0 });
      this.rest(trouble);
    } else if (trouble.kind === "stopped") {
      this.set(item, "failed", { message: "You stopped this upload. Nothing of it was kept." });
    } else {
      this.set(item, "failed", { message: trouble.message });
    }
  }

  /* Send nothing until it may be over. */
  rest({ kind, seconds }) {
    if (this.pause) return;
    this.pause = kind;
    setTimeout(() => {
      this.pause = "";
      this.pump();
    }, seconds * 1000);
  }

  cancel(item) {
    if (item.state === "waiting") this.set(item, "failed", { message: "You stopped this upload. Nothing of it was kept." });
    else item.stop?.();
  }

  retry(item) {
    this.set(item, "waiting", { sent: 0, message: "", result: null });
    this.pump();
  }

  /* Save a checked file; choice has filename, repair and maybe link. */
  async save(item, choice) {
    this.set(item, "saving", { message: "", repair: choice.repair });
    try {
      const saved = await ask(`uploads/${item.result.upload}`, { method: "POST", json: choice, slow: true });
      this.set(item, "saved", { saved: { ...saved, filename: choice.filename, link: choice.link } });
    } catch (trouble) {
      if (!trouble.kind) throw trouble;
      if (trouble.kind === "gone") {
        this.set(item, "failed", { message: "The server has dropped this upload: it was started again, or an hour has passed. Upload it once more." });
      } else {
        const unsure = trouble.kind === "away" ? " Save it again when it is back; it is never saved twice." : "";
        this.set(item, "checked", { message: trouble.message + unsure, taken: trouble.kind === "taken" });
      }
    }
    this.pump();
  }

  /* Forget a file, here and on the server. */
  remove(item) {
    const { state, result } = item;
    this.items = this.items.filter((each) => each !== item);
    this.set(item, "gone");
    if (state === "sending" || state === "checking") item.stop();
    if (state === "checked") ask(`uploads/${result.upload}`, { method: "DELETE" }).catch(() => {}); // it drops it by itself
    this.pump();
  }
}

/* Return why a file need not be sent, "" if it may. */
function findObstacle({ size }) {
  if (size === 0) return "This file is empty: choose another.";
  if (size > FILE_BYTES_MOST) return `This file has ${bytes(size)}; the server keeps ${bytes(FILE_BYTES_MOST)} at most. Make it shorter or smaller.`;
  return "";
}
