/* File names: which words a clip is for by its name, and which names the server takes. The
   rule for words is that of server/library/words/naming.py. */

const SUFFIX = /\.(mp4|m4v|mov|qt|3gp|3g2|f4v|mkv|webm|avi|divx|flv|ts|m2ts|mts|m2t|mpg|mpeg|vob|wmv|asf|ogv|ogm)$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts four as white space
const BETWEEN = /[\p{White_Space}\x1c-\x1f_\u2010\u2011-]+/gu;
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

/* Return the name that a file gets by a repair, which makes an MP4. */
export const repairedName = (name) => `${name.replace(/^(\.*[^.].*?)\.[^.]*$/s, "$1")}.mp4`;

/* Return the keys of the words that a file may be for, the most telling first. */
export function wordCandidates(filename) {
  const name = filename.split(/[/\\]/).at(-1);
  const parts = name.replace(SUFFIX, "").split("_");
  const keys = parts.map((_, index) => wordKey(parts.slice(0, parts.length - index).join("_")));
  return [...new Set(keys)].filter(Boolean);
}

/* Return what is the same for a word and for each way to write it in a file name. */
export function wordKey(word) {
  const plain = word.normalize("NFC").replaceAll("’", "'");
  return foldCase(plain).normalize("NFC").replace(BETWEEN, " ").trim();
}

/* Return text in which letters that differ by case alone are the same, as Python's casefold
   does: ß is ss, both small sigmas are one, but ı is not i. */
function foldCase(text) {
  const letters = [...text].map((letter) => (letter === "ı" ? letter : letter.toLowerCase().toUpperCase().toLowerCase()));
  return letters.join("");
}
