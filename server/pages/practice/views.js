/* Puts a card, a verdict, an end or a message on the page; decides nothing of a session. */

import { counted } from "../numbers.js";
import { clipsOf, fromNow, languageOf, MOMENT } from "./words.js";

const LONG = 90; // characters; more are set smaller

export const find = (selector) => document.querySelector(selector);

/* Show text that may be of any language and direction. */
function write(selector, text, root = document) {
  const place = root.querySelector(selector);
  place.textContent = text;
  place.lang = languageOf(text);
  return place;
}

function setSign(root, name) {
  root.querySelector(".sign use").setAttribute("href", `#${name}`);
}

export function showView(name) {
  document.body.dataset.view = name;
  scrollTo(0, 0);
}

export function showMain(label, { enabled = true } = {}) {
  const button = find("footer [data-main]");
  button.textContent = label;
  button.hidden = label === "";
  button.disabled = !enabled;
}

/* --- a card -------------------------------------------------------------- */

export function showEntry(entry, question, place, count) {
  showView("card");
  find("footer").dataset.verdict = "none";
  find("[data-place]").textContent = `${place + 1} of ${count}`;
  showProgress(place, count);
  write("[data-word]", entry.word);
  const meaning = write("[data-meaning]", entry.definition.text);
  meaning.hidden = clipsOf(entry.definition).length > 0;
  meaning.classList.toggle("long", entry.definition.text.length > LONG);
  meaning.scrollTop = 0;
  meaning.removeAttribute("tabindex");
  if (meaning.scrollHeight > meaning.clientHeight) meaning.tabIndex = 0; // to scroll it by keys
  find(".asked").hidden = question === null;
  write("[data-question]", question?.question_text ?? "");
  showChoices(question?.choices ?? []);
  find("[data-word]").focus({ preventScroll: true });
}

export function showProgress(done, count) {
  const bar = find("progress");
  bar.max = Math.max(count, 1);
  bar.value = done;
}

function showChoices(choices) {
  find("[data-choices]").replaceChildren(...choices.map(({ id, text }, number) => {
    const choice = find("#choice").content.firstElementChild.cloneNode(true);
    choice.querySelector("input").value = id;
    choice.querySelector(".number").textContent = number + 1;
    write(".text", text, choice);
    return choice;
  }));
}

export function lockChoices(locked) {
  for (const input of document.querySelectorAll("[name=answer]")) input.disabled = locked;
}

/* Mark the right choice, and the chosen one where it is another. */
export function showMarks(chosen, right) {
  const words = { right: ", the right answer", wrong: ", your answer, not right", "": "" };
  for (const input of document.querySelectorAll("[name=answer]")) {
    const choice = input.closest(".choice");
    const mark = input.value === right ? "right" : input.value === chosen ? "wrong" : "";
    choice.dataset.mark = mark;
    if (mark) setSign(choice, mark);
    choice.querySelector("[data-marked]").textContent = words[mark];
  }
}

/* --- a verdict ----------------------------------------------------------- */

const SAID = { right: "Right", wrong: "Not quite", seen: "No question yet" };

export function showVerdict(result) {
  const footer = find("footer");
  const { verdict, answer } = result;
  footer.dataset.verdict = verdict;
  setSign(footer, verdict);
  find("[data-said]").textContent = `${SAID[verdict]}.`;
  find("[data-told]").hidden = verdict !== "wrong";
  write("[data-answer]", answer);
  find("[data-saved]").textContent = tellSaved(result);
}

/* Return what became of an answer, and when its word comes back. */
function tellSaved({ verdict, back, refused, sent }) {
  if (verdict === "seen") return "Nothing is asked about this word, so it stays due.";
  if (refused) return `This answer could not be saved: ${refused}`;
  if (back) return `Comes back ${fromNow(back)}.`;
  return sent ? "" : "Kept on this device until the server can be reached.";
}

/* --- the end of a batch -------------------------------------------------- */

export function showEnd(results) {
  showView("end");
  find("footer").dataset.verdict = "none";
  find("[data-place]").textContent = "";
  showProgress(1, 1);
  find("#score").focus({ preventScroll: true });
  renderEnd(results);
}

export function renderEnd(results) {
  const asked = results.filter(({ verdict }) => verdict !== "seen");
  const right = asked.filter(({ verdict }) => verdict === "right").length;
  const share = asked.length ? right / asked.length : 1;
  find(".ring").style.setProperty("--share", `${360 * share}deg`);
  find(".ring b").textContent = asked.length ? `${right}/${asked.length}` : "✓";
  find("#score").textContent = asked.length ? praise(right, asked.length) : "All words seen";
  find("[data-back]").textContent = tellWaiting(asked);
  find("[data-results]").replaceChildren(...results.map(renderResult));
}

function praise(right, count) {
  if (right === count) return count === 1 ? "Right!" : `All ${count} right`;
  return `${right} of ${count} right`;
}

function tellWaiting(asked) {
  const waiting = asked.filter(({ sent, refused }) => !sent && !refused).length;
  if (waiting === 0) return "What you knew well comes back later, the rest sooner.";
  return `${counted(waiting, "answer")} ${waiting === 1 ? "waits" : "wait"} on this device until the server can be reached.`;
}

function renderResult(result) {
  const row = find("#result").content.firstElementChild.cloneNode(true);
  row.dataset.verdict = result.verdict;
  setSign(row, result.verdict);
  write(".term", result.word, row);
  row.querySelector("[data-how]").textContent = `${SAID[result.verdict]}. `;
  write(".answer", result.answer, row);
  row.querySelector(".when").append(whenBack(result));
  return row;
}

function whenBack({ verdict, back, refused }) {
  if (refused) return "not saved";
  if (!back) return verdict === "seen" ? "still due" : "to be sent";
  const time = document.createElement("time");
  time.dateTime = new Date(back).toISOString();
  time.title = MOMENT.format(back);
  time.textContent = `back ${fromNow(back)}`;
  return time;
}

/* --- a message ----------------------------------------------------------- */

export function showMessage({ sign, title, more, soon = "", action = "", home = false }) {
  showView("message");
  find("footer").dataset.verdict = "none";
  find("[data-place]").textContent = "";
  showProgress(0, 1);
  setSign(find(".message"), sign);
  find(".message").dataset.sign = sign;
  find("#said").textContent = title;
  find("[data-more]").textContent = more;
  find("[data-soon]").textContent = soon;
  find("[data-soon]").hidden = soon === "";
  find("[data-home]").hidden = !home;
  showMain(action);
  find(".message").focus({ preventScroll: true });
}

export const messages = {
  missing: () => ({
    sign: "trouble",
    title: "Who is practising?",
    more: "This page’s address must name a learner: /practice?user_id=… Open it from the link you were given.",
    home: true,
  }),
  malformed: (user) => ({
    sign: "trouble",
    title: "This link is not complete",
    more: `“${user.slice(0, 60)}” is no learner’s id. Copy the whole link again; the id has 32 letters and digits, and four hyphens.`,
    home: true,
  }),
  refused: (why) => ({ sign: "trouble", title: "The words can’t be had", more: why, action: "Try again" }),
  away: (waiting) => ({
    sign: "trouble",
    title: "The server can’t be reached",
    more: `Try again in a moment.${tellKept(waiting)}`,
    action: "Try again",
  }),
  offline: (waiting) => ({
    sign: "trouble",
    title: "You are offline",
    more: `No more words are kept on this device; they come when you are online.${tellKept(waiting)}`,
    action: "Try again",
  }),
  nothing: (back) => ({
    sign: "done",
    title: "Nothing to practise now",
    more: "Every word you keep is resting. Each comes back here when it is time to see it again.",
    soon: back > Date.now() ? `The next one comes back ${fromNow(back)}.` : "",
    action: "Look again",
  }),
};

function tellKept(waiting) {
  return waiting === 0 ? "" : ` ${counted(waiting, "answer")} from this device will be sent then.`;
}
