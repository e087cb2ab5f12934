/* The clips, fifty at a time: searched, sorted and turned over by the server. */

import { bytes, clock, counted, number } from "../numbers.js";
import { ask } from "./api.js";
import { copy, DAY, find, named, say, timed } from "./dom.js";
import { listenToPreview } from "./preview.js";
import { address, go, readRoute } from "./route.js";

const PAGE_SIZE = 50;
const TYPING_MS = 250;
/* What the filters ask the server for, and what is said where nothing is left. */
const FILTERS = {
  all: { asked: {}, none: "No clips yet", why: "Upload the first; it is checked before it is saved." },
  unlinked: { asked: { filter: "unlinked" }, none: "Every clip is linked to a word", why: "There is nothing left to link." },
  fault: { asked: { flaw: "fault" }, none: "No clip with a fault", why: "“bytereel check --all” looks for them." },
  warning: { asked: { flaw: "warning" }, none: "No clip with a warning", why: "“bytereel check --all” looks for them." },
  unchecked: { asked: { flaw: "unchecked" }, none: "Every clip was checked", why: "There is nothing left to check." },
};

const section = find("section[data-view=clips]");
const list = find("[data-rows]", section);
const field = find("#search");
let stopping = null; // the question that is still open
let typing = 0;
let burst = false; // whether the last step of the way back was typing too
let pages = 1;
let left = ""; // the clip that was opened from here

/* Show the page of the list that the route names. */
export async function showList(route, { back, turned }) {
  stopping?.abort(); // its answer would come after a newer one
  stopping = new AbortController();
  showControls(route);
  if (!turned) say(find("[data-news]", section), "");
  list.setAttribute("aria-busy", "true");
  const { search, sort, filter, page } = route;
  const { signal } = stopping;
  const parameters = { search, sort, page, ...chosen(filter).asked };
  const asking = ask("videos", { parameters, signal });
  const answer = await asking.finally(() => signal.aborted || list.removeAttribute("aria-busy"));
  if (signal.aborted || readRoute().view !== "clips") return;
  if (answer.videos.length === 0 && answer.total > 0) {
    go({ page: Math.max(answer.pages, 1) }, { replace: true }); // others have deleted the rest
    return;
  }
  showRows(answer, route);
  if (turned && left) focusRow(left, back);
  left = "";
}

/* Any text may stand in the address. */
function chosen(filter) {
  return Object.hasOwn(FILTERS, filter) ? FILTERS[filter] : { ...FILTERS.unlinked, asked: { filter } };
}

/* The view keeps its state in the address, so the controls follow that. */
function showControls({ search, sort, filter }) {
  if (document.activeElement !== field) field.value = search;
  find("#sort").value = sort;
  find("#filter").value = filter;
  if (list.children.length === 0) say(find("[data-result]", section), "busy", "Loading …");
}

function showRows({ total, videos, page, pages: all }, route) {
  pages = Math.max(all, 1);
  list.replaceChildren(...videos.map(renderRow));
  const start = (page - 1) * PAGE_SIZE;
  const which = pages > 1 ? `${number(start + 1)} to ${number(start + videos.length)} of ` : "";
  const result = find("[data-result]", section);
  say(result, "", `${total ? which : ""}${counted(total, "clip")}`);
  showPages(page);
  showEmpty(total, route);
}

function renderRow(video) {
  const row = copy("row");
  const link = find("a", row);
  link.href = address({ video: video.id });
  link.dataset.go = "";
  link.dataset.id = video.id;
  link.addEventListener("click", () => {
    left = String(video.id);
  });
  if (video.thumbnail) {
    const picture = renderThumbnail(video.id);
    find(".thumb", row).append(picture);
    listenToPreview(link, picture, video.id);
  }
  find(".name", row).append(named(video.filename));
  find("[data-length]", row).textContent = video.duration_seconds === null ? "" : clock(video.duration_seconds);
  find("[data-size]", row).textContent = bytes(video.bytes);
  find("[data-added]", row).append(timed(video.created_at, DAY));
  const shown = find("[data-links]", row);
  shown.textContent = video.links ? counted(video.links, "link") : "not linked";
  shown.classList.toggle("lonely", video.links === 0);
  find("[data-views]", row).textContent = counted(video.views, "view");
  return row;
}

export function renderThumbnail(id) {
  const picture = new Image(96, 54);
  picture.alt = "";
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.addEventListener("error", () => picture.remove());
  picture.src = `/v3/videos/${id}/thumbnail`;
  return picture;
}

function focusRow(id, back) {
  const link = find(`a[data-id="${CSS.escape(id)}"]`, list);
  link?.focus({ preventScroll: back });
}

function showPages(page) {
  find("[data-pages]", section).hidden = pages < 2;
  find("#page").value = page;
  find("[data-of]", section).textContent = `of ${number(pages)}`;
  for (const button of section.querySelectorAll("[data-page]")) {
    const forward = ["next", "last"].includes(button.dataset.page);
    button.setAttribute("aria-disabled", String(forward ? page >= pages : page <= 1));
  }
}

/* Nothing to show is said with a way on. */
function showEmpty(total, { search, filter }) {
  const place = find("[data-empty]", section);
  place.hidden = total > 0;
  if (total > 0) return;
  const [title, text] = [find("h2", place), find("p", place)];
  const way = find("[data-all]", place);
  way.dataset.go = "";
  if (search) {
    title.replaceChildren("No file name has “", named(search), "” in it");
    text.textContent = filter === "all" ? "Try fewer letters." : "Only some clips were searched: see “Show”.";
  } else {
    title.textContent = chosen(filter).none;
    text.textContent = chosen(filter).why;
  }
  const first = !search && filter === "all";
  way.textContent = first ? "Upload clips" : "Show all clips";
  way.href = first ? "/admin?view=upload" : "/admin";
}

/* --- what a person does -------------------------------------------------- */

/* Search once the typing pauses; a word typed in one go is one step of the way back. */
function search() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const wanted = field.value.trim();
    const { search: shown, view } = readRoute();
    if (wanted === shown || view !== "clips") return; // a clip was opened meanwhile
    go({ search: wanted, page: 1 }, { replace: burst });
    burst = true;
  }, TYPING_MS);
}

function turnTo(page) {
  burst = false;
  go({ page });
  scrollTo(0, 0);
  find("h1", section).focus({ preventScroll: true });
}

function turnBy(button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const page = Number(readRoute().page);
  turnTo({ first: 1, previous: page - 1, next: page + 1, last: pages }[button.dataset.page]);
}

function jump() {
  const wanted = Number(find("#page").value.replace(/\D/g, ""));
  const page = Math.min(Math.max(wanted || 1, 1), pages);
  if (String(page) === readRoute().page) find("#page").value = page;
  else turnTo(page);
}

function listen() {
  field.addEventListener("input", search);
  field.addEventListener("blur", () => {
    burst = false;
  });
  find("[data-tools]", section).addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  for (const name of ["sort", "filter"]) {
    find(`#${name}`).addEventListener("change", ({ target }) => {
      burst = false;
      go({ [name]: target.value, page: 1 });
    });
  }
  for (const button of section.querySelectorAll("[data-page]")) button.addEventListener("click", () => turnBy(button));
  find("[data-jump]", section).addEventListener("submit", (event) => {
    event.preventDefault();
    jump();
  });
  find("#page").addEventListener("change", jump);
}

listen();
