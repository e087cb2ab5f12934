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

export const REPAIRS = { fix: "Repair and save", transcode: "Convert and save" };

/* Return the remedy as it is to be had on this page; the check speaks of commands. offered
   is the repair that a button beside it makes, "none" where the file is in the library. */
export function flawRemedy({ code, remedy, repair }, offered) {
  if (repair && offered === "none") {
    return `Upload ${repair === "fix" ? "it" : "the original"} again and choose “${REPAIRS[repair]}”.`;
  }
  if (code.startsWith("damaged-")) {
    return "Export it again from what it was made of. Only an import on the server can leave out what is damaged.";
  }
  // Encoding anew mends what a new layout would, too.
  if (repair && (offered === repair || offered === "transcode")) return `“${REPAIRS[offered]}” mends it.`;
  if (repair === "transcode" && offered === "fix") return "Repairing does not mend this; “Convert and save” does.";
  if (repair) return "This alone could be repaired.";
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
