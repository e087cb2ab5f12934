/* A session: a batch of due words, one question after the other, and what came of them. */

import { Answers } from "./answers.js";
import { Captions } from "./captions.js";
import { Clips, clipUrl } from "./clips.js";
import { listenToOptions, showLine } from "./options.js";
import { Player } from "./player.js";
import { Quality } from "./quality.js";
import { Store } from "./store.js";
import {
  find,
  lockChoices,
  messages,
  renderEnd,
  showEnd,
  showEntry,
  showMain,
  showMarks,
  showMessage,
  showProgress,
  showVerdict,
  showView,
} from "./views.js";
import { clipsAhead, clipsOf, clipsOfEntry, makeId, questionOf, USER } from "./words.js";

const WORDS = 10; // in one batch
const WORDS_AHEAD = 3;
const PATIENCE_MS = 2500; // for the server's verdict; then the batch itself tells
const LOAD_SECONDS = 12;

const user = new URLSearchParams(location.search).get("user_id")?.trim() ?? "";
const store = new Store();
const answers = new Answers(store, () => showLine(answers));
const clips = new Clips(store);
const quality = new Quality(store, clips);
const captions = new Captions(store);
const players = ["definition", "question"].map(
  (name) => new Player(find(`[data-player=${name}]`), { quality, captions, settled: settle }),
);
const [definitionPlayer, questionPlayer] = players;

let entries = [];
let place = 0;
let results = [];
let state = "loading"; // asking, checking, told, ended, stopped
const settled = new Set(); // players whose clip has come

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/* --- a batch ------------------------------------------------------------- */

const batchKey = `batch:${user}`;
const backKey = `back:${user}`;

async function loadBatch() {
  state = "loading";
  showView("loading");
  showMain("");
  await Promise.race([answers.send(), pause(PATIENCE_MS)]); // or their words come again
  const [answer] = await Promise.all([readBatch(), clips.look()]);
  if (answer.refused) return stop(messages.refused(answer.refused));
  if (answer.away) return beginKept(answer.away);
  store.set(batchKey, answer.words);
  begin();
}

/* Return { words }, { refused: why } or { away: why }. */
async function readBatch() {
  if (!navigator.onLine) return { away: messages.offline };
  const query = new URLSearchParams({ user_id: user, count: WORDS });
  try {
    const response = await fetch(`/v3/next-review-words-batch?${query}`, {
      cache: "no-store",
      signal: AbortSignal.timeout?.(LOAD_SECONDS * 1000),
    });
    if (response.status >= 500) return { away: messages.away };
    const said = await response.json();
    return response.ok ? { words: said.words } : { refused: said.error };
  } catch {
    return { away: navigator.onLine ? messages.away : messages.offline };
  }
}

/* Go on with what was kept of the last batch; what was answered since is not in it. */
function beginKept(message) {
  if (store.get(batchKey)?.length > 0) begin();
  else stop(message(answers.list().length));
}

function begin() {
  const waiting = answers.list();
  const given = (entry) => waiting.some((answer) =>
    answer.saved_word_id === entry.saved_word_id && answer.question_id === questionOf(entry)?.id);
  entries = (store.get(batchKey) ?? []).filter((entry) => !given(entry));
  place = 0;
  results = [];
  const offered = entries.flatMap(clipsOfEntry);
  quality.offer(offered);
  captions.offer(offered);
  if (entries.length === 0) stop(messages.nothing(store.get(backKey)));
  else ask();
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/* Take an entry out of what is kept; other tabs of this learner share it. */
function leave(entry) {
  store.set(batchKey, (store.get(batchKey) ?? entries).filter((each) => !same(each, entry)));
}

function stop(message) {
  for (const player of players) player.show([], { text: "", label: "" });
  state = "stopped";
  showMessage(message);
  showLine(answers);
}

/* --- one word ------------------------------------------------------------ */

function ask() {
  const entry = entries[place];
  const question = questionOf(entry);
  const shown = clipsOf(entry.definition);
  const isShown = ({ id }) => shown.some((clip) => clip.id === id);
  const further = question ? clipsOf(question).filter((clip) => !isShown(clip)) : [];
  settled.clear();
  lockChoices(false);
  showEntry(entry, question, place, entries.length);
  definitionPlayer.show(shown, {
    text: entry.definition.text,
    label: `Clip: ${entry.word}`,
    begin: true,
  });
  definitionPlayer.caption(entry.word);
  questionPlayer.show(further, {
    text: "The question can be answered without it.",
    label: "Clip of the question",
    begin: shown.length === 0, // else after the definition's
  });
  state = question ? "asking" : "told";
  if (question) {
    showMain("Submit", { enabled: false });
  } else {
    results.push({ word: entry.word, answer: entry.definition.text, verdict: "seen" });
    showVerdict(results.at(-1));
    showMain("Continue");
  }
  if (players.every(({ empty }) => empty)) fetchAhead();
}

/* Fetch ahead only when the clips on the page have what they need. */
function settle(player) {
  settled.add(player);
  if (players.every((each) => each.empty || settled.has(each))) fetchAhead();
}

function fetchAhead() {
  const { screen } = players.find(({ empty }) => !empty) ?? definitionPlayer;
  const ahead = clipsAhead(entries, place, WORDS_AHEAD);
  clips.fetchAhead(ahead.flatMap((clip) =>
    [clipUrl(quality.chooseAhead(clip, screen).id), ...captions.addressesOf(clip)]));
}

function choose(number) {
  const input = document.querySelectorAll("[name=answer]")[number];
  if (!input) return;
  input.checked = true;
  input.focus();
  showMain("Submit");
}

const chosen = () => document.querySelector("[name=answer]:checked")?.value ?? null;

async function submit() {
  const answer = chosen();
  if (answer === null) return;
  state = "checking";
  lockChoices(true);
  find("footer [data-main]").setAttribute("aria-busy", "true");
  const entry = entries[place];
  const question = questionOf(entry);
  const result = judge(entry, question, answer);
  leave(entry);
  await Promise.race([send(entry, question, answer, result), pause(PATIENCE_MS)]);
  results.push(result);
  tell(result);
  const button = find("footer [data-main]");
  button.removeAttribute("aria-busy");
  button.focus({ preventScroll: true });
}

/* Return the result as the batch itself tells it, until the server has. */
function judge(entry, question, answer) {
  const right = question.correct_answer;
  const { text } = question.choices.find(({ id }) => id === right) ?? { text: right };
  const verdict = answer === right ? "right" : "wrong";
  return { word: entry.word, question, chosen: answer, right, answer: text, verdict, sent: false };
}

/* Send an answer; resolve at the first that is known of it. */
function send(entry, question, answer, result) {
  const review = {
    user_id: user,
    saved_word_id: entry.saved_word_id,
    question_id: question.id,
    answer,
    review_id: makeId(),
    reviewed_at: new Date().toISOString(),
  };
  return new Promise((resolve) => {
    answers.put(review, (outcome) => {
      take(result, outcome);
      resolve();
    });
  });
}

/* Take over what the server says, which may come long after the verdict was shown. */
function take(result, outcome) {
  if (outcome.away) return;
  if (outcome.refused) {
    result.refused = outcome.refused;
  } else {
    result.sent = true;
    result.verdict = outcome.correct ? "right" : "wrong";
    result.right = outcome.correct_answer;
    result.answer = result.question.choices.find(({ id }) => id === result.right)?.text ?? result.right;
    result.back = Date.parse(outcome.next_review_date) || null;
    keepBack(result.back);
  }
  if (state === "ended") renderEnd(results);
  else if (state === "told" && results.at(-1) === result) tell(result);
}

/* Remember when the next word of this learner comes back, for when nothing is due. */
function keepBack(back) {
  const known = store.get(backKey);
  if (back && !(known > Date.now() && known < back)) store.set(backKey, back);
}

function tell(result) {
  state = "told";
  const entry = entries[place];
  showMarks(result.chosen, result.right);
  showVerdict(result);
  find("[data-mark=right]")?.scrollIntoView({ block: "nearest" });
  definitionPlayer.caption(`${entry.word} · ${entry.definition.text}`);
  showProgress(place + 1, entries.length);
  showMain(place + 1 < entries.length ? "Continue" : "See how it went");
}

/* Go on with the next entry that another tab has not answered meanwhile. */
function goOn() {
  leave(entries[place]);
  const kept = store.get(batchKey) ?? entries;
  do place += 1;
  while (place < entries.length && !kept.some((entry) => same(entry, entries[place])));
  if (place < entries.length) {
    ask();
    return;
  }
  for (const player of players) player.show([], { text: "", label: "" });
  state = "ended";
  showEnd(results);
  showMain("More words");
}

function act() {
  const acts = { asking: submit, told: goOn, ended: loadBatch, stopped: loadBatch };
  if (!find("footer [data-main]").hidden) acts[state]?.();
}

/* --- around it ----------------------------------------------------------- */

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || find("dialog").open) return;
  const { target, key } = event;
  if (state === "asking" && /^[1-9]$/.test(key)) choose(Number(key) - 1);
  if (target.closest("a, button, select, [type=range]")) return;
  if (key === "Enter") act();
  else if (key === " " && (target.type !== "radio" || target.checked)) playAgain();
  else return;
  event.preventDefault();
}

function changeQuality() {
  for (const player of players) player.changeLevel();
}

function playAgain() {
  players.find(({ empty }) => !empty)?.toggle();
}

function listen() {
  // The second of a double click would pass over the verdict.
  find("footer [data-main]").addEventListener("click", ({ detail }) => detail === 2 || act());
  find("#card").addEventListener("submit", (event) => event.preventDefault());
  find("[data-choices]").addEventListener("change", () => state === "asking" && showMain("Submit"));
  listenToOptions({ clips, answers, quality, captions, changed: changeQuality });
  definitionPlayer.video.addEventListener("ended", () => questionPlayer.begin());
  for (const player of players) {
    const others = players.filter((other) => other !== player);
    player.video.addEventListener("play", () => {
      for (const other of others) other.pause();
    });
  }
  addEventListener("keydown", pressed);
  addEventListener("offline", () => showLine(answers));
  addEventListener("online", comeBack);
}

function comeBack() {
  showLine(answers);
  for (const player of players) player.retry(false);
  if (state === "stopped" && !find("footer [data-main]").hidden) loadBatch();
  else if (state !== "loading") fetchAhead();
}

function start() {
  listen();
  showLine(answers);
  if (user === "") return stop(messages.missing());
  if (!USER.test(user)) return stop(messages.malformed(user));
  // Refused or missing, the page works while it is online.
  navigator.serviceWorker?.register("/worker.js", { scope: "/practice", updateViaCache: "none" }).catch(() => {});
  return loadBatch();
}

start();
