/* What the learner may choose, and what this device keeps: clips and answers not sent yet. */

import { bytes, counted } from "../numbers.js";
import { find } from "./views.js";

const AUTOMATIC = "Automatic";

/* Let the options be opened and changed; changed is called after another quality. */
export function listenToOptions({ clips, answers, quality, captions, changed }) {
  const show = () => showKept(clips);
  find("[data-options]").addEventListener("click", () => showOptions({ clips, answers, quality, captions }));
  find("[data-close]").addEventListener("click", () => find("dialog").close());
  find("[data-clear]").addEventListener("click", () => clips.clear().then(show));
  find("#limit").addEventListener("change", ({ target }) => clips.setLimit(Number(target.value)).then(show));
  find("#quality").addEventListener("change", ({ target }) => {
    quality.wanted = Number(target.value);
    changed();
    tellQuality(quality);
  });
  for (const select of selects()) {
    select.addEventListener("change", () => {
      const [first, second] = selects().map(({ value }) => value);
      captions.choose(first === "" ? [] : [first, second]);
      showCaptions(captions);
    });
  }
}

async function showOptions({ clips, answers, quality, captions }) {
  find("dialog").showModal();
  showQuality(quality);
  showCaptions(captions);
  find("#limit").value = clips.limit;
  find("[data-ahead]").textContent = clips.sparing
    ? `Clips are not fetched ahead, as ${clips.sparing}.`
    : "The clips of the next words are fetched ahead.";
  const waiting = answers.list().length;
  find("[data-waiting]").textContent =
    waiting === 0 ? "All answers have been sent." : `${counted(waiting, "answer")} will be sent when the server can be reached.`;
  await showKept(clips);
}

/* Offer the levels that there are, and what was chosen of others. */
function showQuality(quality) {
  const sides = [...new Set([...quality.sides, quality.wanted])].filter((side) => side > 0).sort((a, b) => b - a);
  const options = [0, ...sides].map((side) => new Option(side === 0 ? AUTOMATIC : `${side}p`, side));
  find("#quality").replaceChildren(...options);
  find("#quality").value = quality.wanted;
  tellQuality(quality);
}

function tellQuality({ kbit, sides, wanted }) {
  const speed = kbit === null ? "" : ` The line carries about ${megabits(kbit)} Mbit/s.`;
  const how = wanted === 0 ? "What suits the line and the screen." : `At most ${wanted}p, on any line.`;
  find("[data-quality]").textContent = sides.length === 0 ? "These clips have one quality only." : how + speed;
}

const selects = () => [find("#captions"), find("#second")];

/* Offer the languages that there are, and what was chosen of others; a second one beside a
   first one only. */
function showCaptions({ offered, languages }) {
  const labels = new Map([...languages.map((language) => [language, nameLanguage(language)]), ...offered]);
  selects().forEach((select, number) => {
    const rest = [...labels].filter(([language]) => number === 0 || language !== languages[0]);
    const options = rest.map(([language, label]) => new Option(label, language));
    select.replaceChildren(new Option(number === 0 ? "Off" : "None", ""), ...options);
    select.value = languages[number] ?? "";
  });
  find("[data-second]").hidden = languages.length === 0 || labels.size < 2;
  find("[data-uncaptioned]").hidden = offered.size > 0;
}

/* Return the name of a language in itself; the tag where the browser knows none. */
function nameLanguage(tag) {
  try {
    return new Intl.DisplayNames([tag], { type: "language" }).of(tag);
  } catch {
    return tag;
  }
}

const megabits = (kbit) => Number((kbit / 1000).toPrecision(2)).toLocaleString("en");

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
