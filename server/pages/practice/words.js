/* Words for times and languages, and what is in a batch; decides, and touches neither page nor network. */

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
export const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
export const USER = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i; // as the server reads it (RFC 9562, 4)

/* Which language a script gives away; kana before Han, as Japanese has both. */
const SCRIPTS = [
  ["ja", /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
  ["ko", /\p{Script=Hangul}/u],
  ["zh", /\p{Script=Han}/u],
  ["ar", /\p{Script=Arabic}/u],
  ["he", /\p{Script=Hebrew}/u],
  ["th", /\p{Script=Thai}/u],
  ["hi", /\p{Script=Devanagari}/u],
  ["el", /\p{Script=Greek}/u],
];

/* Return a language tag for text, "" for what many languages could be (HTML, "lang"). */
export function languageOf(text) {
  return SCRIPTS.find(([, script]) => script.test(text))?.[0] ?? "";
}

/* Return how far off a moment is, in the largest unit that fits. */
export function fromNow(date, now = Date.now()) {
  const seconds = (date - now) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= 0.95 * size) ?? UNITS.at(-1);
  return seconds < 45 ? "in a moment" : RELATIVE.format(Math.max(Math.round(seconds / length), 1), unit);
}

/* Return the clips of a definition or a question, first the one to show first; each is
   { id, levels, captions, hls }, of which hls is the address of a playlist or null. */
export function clipsOf({ video_id: first, video_ids: all, levels = [], captions = [], hls = [] }) {
  const known = Array.isArray(all) && all.length > 0 ? all : [first];
  const ids = known.filter((id) => id !== null && id !== undefined);
  return ids.map((id) => ({
    id,
    levels: levels.filter(({ original_id: original }) => original === id),
    captions: captions.filter(({ video_id: video }) => video === id),
    hls: hls.find(({ video_id: video }) => video === id)?.url ?? null,
  }));
}

/* Return what an entry asks; null where there is nothing to choose from. */
export function questionOf({ questions }) {
  return questions.find(({ choices }) => Array.isArray(choices) && choices.length > 0) ?? null;
}

const each = (clips) => [...new Map(clips.map((clip) => [clip.id, clip])).values()];

/* Return all clips of an entry, each once. */
export function clipsOfEntry(entry) {
  const question = questionOf(entry);
  return each([...clipsOf(entry.definition), ...(question ? clipsOf(question) : [])]);
}

/* Return the clips of the entries after a place, up to so many other words. */
export function clipsAhead(entries, place, words) {
  const following = entries.slice(place + 1);
  const current = entries[place]?.saved_word_id;
  const near = [...new Set(following.map((entry) => entry.saved_word_id))]
    .filter((id) => id !== current)
    .slice(0, words);
  const soon = following.filter(({ saved_word_id: id }) => id === current || near.includes(id));
  return each(soon.flatMap(clipsOfEntry));
}

/* Return a random UUID; crypto.randomUUID is missing where the address is not secure. */
export function makeId() {
  const octets = crypto.getRandomValues(new Uint8Array(16));
  octets[6] = (octets[6] & 0x0f) | 0x40; // version 4 (RFC 9562, 5.4)
  octets[8] = (octets[8] & 0x3f) | 0x80;
  const hex = [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
