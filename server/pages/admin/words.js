/* Words for spans of time and for what a check found; decides, and touches nothing. */

import { counted } from "../numbers.js";

/* Return a span of time in its two largest units. */
export function span(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const at = Math.max(units.findIndex(([, length]) => seconds >= length), 0);
  const [unit, length] = seconds < 1 ? units.at(-1) : units[at];
  const first = counted(Math.floor(seconds / length), unit);
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % length) / next[1]) : 0;
  return rest && seconds >= 60 ? `${first} ${counted(rest, next[0])}` : first;
}

/* --- what a check found -------------------------------------------------- */

export const SEVERITIES = {
  fault: "Fault",
  warning: "Warning",
  note: "Note",
};

/* Return a flaw's sentence, which goes on after the name of the file, as one of its own. */
export const flawSentence = ({ sentence }) => `It ${sentence}.`;

/* Return the remedy as it is to be had on this page; the check speaks of commands. */
export function flawRemedy({ code, remedy, repair }, offered) {
  if (repair === "fix") {
    return offered === "none" ? "Upload it again and choose “Repair and save”." : "“Repair and save” mends it.";
  }
  if (repair === "transcode") {
    return offered === "none" ? "Upload the original again and choose “Convert and save”." : "“Convert and save” mends it.";
  }
  if (code === "over-duration") return "Cut it shorter, if you can.";
  return `${remedy[0].toUpperCase()}${remedy.slice(1)}.`;
}

/* Say in a sentence what the flaws of a file come to. */
export function verdict(flaws) {
  const count = (severity) => flaws.filter((flaw) => flaw.severity === severity).length;
  const faults = count("fault");
  const warnings = count("warning");
  if (faults) return `Not every phone would play it: it has ${counted(faults, "fault")}.`;
  if (warnings) return `It plays, with ${counted(warnings, "warning")}.`;
  return "It plays and seeks everywhere.";
}

/* --- who shows a clip ---------------------------------------------------- */

const LANGUAGES = new Intl.DisplayNames("en", { type: "language" });

/* Return in which language a word is, and for whom it is explained. */
export function tellLanguages({ learning_language: learning, language, native_language: spoken, native }) {
  const whose = spoken ?? native;
  const what = tellLanguage(learning ?? language ?? "?");
  return whose ? `${what} for speakers of ${tellLanguage(whose)}` : what;
}

function tellLanguage(code) {
  try {
    return LANGUAGES.of(code);
  } catch {
    return code; // any text may stand for a language
  }
}

/* --- file names ---------------------------------------------------------- */

const SUFFIX = /\.(mp4|m4v|mov|webm)$/i;
const CONTROLS = /\p{Cc}/gu;
export const NAME_LETTERS = 255;

/* Return a name the server takes, as like the given one as can be. */
export function cleanName(name) {
  const plain = name.toWellFormed().replace(CONTROLS, " ").replaceAll("/", "_").trim();
  const letters = [...plain];
  if (letters.length <= NAME_LETTERS) return /^\.{0,2}$/.test(plain) ? "clip.mp4" : plain;
  const suffix = plain.match(SUFFIX)?.[0] ?? "";
  return letters.slice(0, NAME_LETTERS - suffix.length).join("") + suffix;
}

/* Return the next name for one that is taken: a.mp4, a_2.mp4, a_3.mp4. */
export function nextName(name) {
  const suffix = name.match(SUFFIX)?.[0] ?? "";
  const [, stem, last] = name.slice(0, name.length - suffix.length).match(/^(.*?)(?:_(\d{1,6}))?$/s);
  const ending = `_${Number(last ?? 1) + 1}${suffix}`;
  return [...stem].slice(0, NAME_LETTERS - ending.length).join("") + ending;
}

/* Return what the words are called that a file may be for, the most telling first: the
   rule is {word}_{descriptor}.mp4, and a word may have several parts. */
export function wordsOf(name) {
  const parts = name.replace(SUFFIX, "").split(/[_\s]+/).filter(Boolean).slice(0, 4);
  return parts.map((_, index) => parts.slice(0, parts.length - index).join(" "));
}

/* Return what is the same for a word and for each way to write it in a file name. */
export function wordKey(word) {
  return word.normalize("NFC").replaceAll("’", "'").toLowerCase().replace(/[\s_\u2010\u2011-]+/g, " ").trim();
}
