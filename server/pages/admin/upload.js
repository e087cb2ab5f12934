/* The upload view: files come by choice or drop, each gets a card, and none is lost by
   leaving the page unasked. */

import { find, named, say } from "./dom.js";
import { FileCard, tellQueue } from "./file.js";
import { hasToken } from "./api.js";
import { refreshSummary } from "./overview.js";
import { Queue } from "./queue.js";
import { go, readRoute } from "./route.js";

const section = find("section[data-view=upload]");
const said = find("[data-queued]", section);
const cards = new Map(); // item → card
const queue = new Queue(changed);
let abandoned = false;

export const uploadsAreOpen = () => queue.open > 0;

/* Go on after signing in anew. */
export const resumeUploads = () => queue.pump();

/* Let the page go without a further question. */
export function abandonUploads() {
  abandoned = true;
}

/* --- what changes -------------------------------------------------------- */

function changed(item) {
  const known = cards.get(item);
  if (item.state === "gone") {
    known?.root.remove();
    cards.delete(item);
  } else if (known) {
    known.show();
  } else {
    const card = new FileCard(item, queue);
    cards.set(item, card);
    find("[data-queue]", section).append(card.root);
  }
  if (item.state === "saved" && !item.told) {
    item.told = true;
    refreshSummary();
  }
  showCounts();
}

function showCounts() {
  const open = find("[data-open]");
  open.hidden = queue.open === 0;
  open.replaceChildren(String(queue.open), Object.assign(document.createElement("span"), { className: "hidden-text", textContent: " open" }));
  const text = tellQueue(queue);
  if (said.textContent !== text) say(said, "", text);
  const ready = [...cards.values()].filter((card) => card.isReady).length;
  const over = queue.count("saved") + [...cards.values()].filter((card) => card.item.state === "checked" && card.settled).length;
  find("[data-all]", section).hidden = ready < 2 && over < 2;
  const all = find("[data-save-all]", section);
  all.hidden = ready < 2;
  all.textContent = `Save all ${ready} that need no repair`;
  find("[data-clear]", section).hidden = over < 2;
}

/* --- files --------------------------------------------------------------- */

/* Take files, and say what was among them that is none. */
function take(files, folders = []) {
  if (files.length === 0 && folders.length === 0) return;
  if (readRoute().view !== "upload") go({ view: "upload" });
  queue.add(files);
  say(find("[data-folders]", section), "wrong", ...(folders.length ? tellFolders(folders) : []));
}

function tellFolders(folders) {
  const names = folders.flatMap((name) => ["“", named(name), "”, "]);
  return [...names.slice(0, -1), folders.length === 1 ? "” is a folder" : "” are folders", ": open it and drop the files in it."];
}

/* Return what was dropped; a folder can't be read as a file. */
function sortDrop({ items }) {
  const files = [];
  const folders = [];
  for (const item of items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) folders.push(entry.name);
    else files.push(item.getAsFile());
  }
  return [files.filter(Boolean), folders];
}

function listenToDrops() {
  const curtain = find(".curtain");
  let depth = 0; // entering a child comes before leaving its parent
  const carries = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const show = () => {
    curtain.hidden = depth === 0 || !hasToken();
  };
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth += 1;
    show();
  });
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    depth = Math.max(depth - 1, 0);
    show();
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault(); // or the browser would leave the page for the file
    depth = 0;
    show();
    if (hasToken() && !find("dialog[open]")) take(...sortDrop(event.dataTransfer));
  });
}

/* Save one after the other, so that there is room for other questions meanwhile. */
async function saveAll() {
  for (const card of cards.values()) {
    if (card.isReady && hasToken()) await card.save("none");
  }
}

/* Show the view's controls at work. */
export function startUploads() {
  const input = find("[data-files]", section);
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // the same file may be chosen again
  });
  find("[data-save-all]", section).addEventListener("click", () => {
    find("h1", section).focus();
    saveAll();
  });
  find("[data-clear]", section).addEventListener("click", () => {
    for (const { item, settled } of [...cards.values()]) {
      if (item.state === "saved" || (item.state === "checked" && settled)) queue.remove(item);
    }
    find("h1", section).focus();
  });
  listenToDrops();
  addEventListener("beforeunload", (event) => {
    if (uploadsAreOpen() && !abandoned) event.preventDefault();
  });
}

