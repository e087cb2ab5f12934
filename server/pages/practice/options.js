/* What this device keeps: answers not sent yet, and clips as far as the options let it. */

import { bytes, counted } from "../numbers.js";
import { find } from "./views.js";

export function listenToOptions(clips, answers) {
  const show = () => showKept(clips);
  find("[data-options]").addEventListener("click", () => showOptions(clips, answers));
  find("[data-close]").addEventListener("click", () => find("dialog").close());
  find("[data-clear]").addEventListener("click", () => clips.clear().then(show));
  find("#limit").addEventListener("change", ({ target }) => clips.setLimit(Number(target.value)).then(show));
}

async function showOptions(clips, answers) {
  find("dialog").showModal();
  find("#limit").value = clips.limit;
  find("[data-ahead]").textContent = clips.sparing
    ? `Clips are not fetched ahead, as ${clips.sparing}.`
    : "The clips of the next words are fetched ahead.";
  const waiting = answers.list().length;
  find("[data-waiting]").textContent =
    waiting === 0 ? "All answers have been sent." : `${counted(waiting, "answer")} will be sent when the server can be reached.`;
  await showKept(clips);
}

async function showKept(clips) {
  const kept = await clips.measure();
  find("[data-limits]").hidden = kept === null;
  find("[data-kept]").textContent = kept
    ? `${counted(kept.count, "clip")} kept: ${bytes(kept.size)} of at most ${bytes(clips.limit)}.`
    : "This browser keeps none: that needs an https address and storage that is not refused.";
}

/* Say in one line at the top what a person should know now; mostly that is nothing. */
export function showLine(answers) {
  const waiting = answers.list().length;
  const unsent = waiting > 0 && (answers.failing || !navigator.onLine);
  const parts = [];
  if (!navigator.onLine) parts.push("Offline");
  if (unsent) parts.push(`${counted(waiting, "answer")} to send`);
  if (unsent && !answers.store.lasting) parts.push("keep this page open");
  const text = parts.join(" · ");
  if (find("[data-line]").textContent !== text) find("[data-line]").textContent = text;
}
