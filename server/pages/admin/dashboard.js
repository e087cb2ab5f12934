/* The live view: how the server does, asked for again and again while someone looks. */

import { ask } from "./api.js";
import { fillChart, makeChart, renderSwatch } from "./chart.js";
import { find, make } from "./dom.js";
import { readCards, tellAge } from "./readings.js";

const AGAIN_SECONDS = 10;
const SOON_SECONDS = 2; // right after the server's start
const NOTHING = { step_seconds: AGAIN_SECONDS, points: [], edge_ratio: null, mean_bytes: null, table_bytes: null, days: [] };

let asked = 0; // the question that was asked last
let timer = 0;
let filled = false; // once something was heard

/* Show the dashboard and keep it fresh for as long as its view is shown. */
export async function showDashboard() {
  const cards = find("[data-cards]");
  if (!cards.childElementCount) {
    cards.append(...readCards(NOTHING).map(renderCard));
    cards.dataset.waiting = "";
  }
  await refresh();
}

async function refresh() {
  asked += 1;
  const mine = asked;
  clearTimeout(timer);
  const history = await ask("history");
  if (mine !== asked) return;
  filled = true;
  const cards = find("[data-cards]");
  delete cards.dataset.waiting;
  for (const card of readCards(history)) fillCard(find(`[data-card="${card.id}"]`, cards), card);
  find("[data-age]").textContent = tellAge(history);
  tell("");
  waitFor(history.points.length ? AGAIN_SECONDS : SOON_SECONDS);
}

/* Ask again, if someone looks; what goes wrong is said, and passes or does not. */
async function refreshAgain() {
  if (!filled || document.hidden || document.body.dataset.view !== "live") return;
  const mine = asked + 1;
  try {
    await refresh();
  } catch (trouble) {
    if (!trouble.kind) throw trouble;
    if (mine !== asked) return;
    const seconds = Math.max(trouble.seconds, AGAIN_SECONDS);
    tell(`${trouble.message} Asks again every ${seconds} seconds.`);
    waitFor(seconds);
  }
}

function waitFor(seconds) {
  clearTimeout(timer);
  timer = setTimeout(refreshAgain, seconds * 1000);
}

function tell(wrong) {
  const said = find("[data-wrong]");
  if (said.textContent !== wrong) said.textContent = wrong; // it is read aloud when it changes
}

function renderCard(card) {
  const parts = make(
    "section",
    { className: "tile", "aria-label": card.title },
    make("h2", {}, card.title),
    make("p", { className: "figure" }, make("strong", {}), " ", make("span", {})),
    make("ul", { className: "legend" }),
    makeChart(),
    make("p", { className: "hint" }),
    make("details", {}, make("summary", {}, "Numbers"), make("table", {}, make("thead"), make("tbody"))),
  );
  parts.dataset.card = card.id;
  fillCard(parts, card);
  return parts;
}

function fillCard(parts, card) {
  find(".figure strong", parts).textContent = card.figure;
  find(".figure span", parts).textContent = card.meaning;
  find(".legend", parts).replaceChildren(...card.legend.map(renderEntry));
  find(".hint", parts).textContent = card.note;
  fillChart(find(".chart", parts), card);
  find("thead", parts).replaceChildren(make("tr", {}, ...card.heads.map((text) => make("th", { scope: "col" }, text))));
  find("tbody", parts).replaceChildren(...card.rows.map(renderRow).reverse()); // the latest first
  find("details", parts).hidden = card.rows.length === 0;
}

function renderEntry({ mark, name, value }) {
  return make("li", {}, renderSwatch(mark), `${name} `, make("b", {}, value));
}

function renderRow([first, ...rest]) {
  return make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((text) => make("td", {}, text)));
}

document.addEventListener("visibilitychange", refreshAgain);
addEventListener("online", refreshAgain);
