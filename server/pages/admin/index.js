/* The admin page: who may come in, which view the address names, and what to do when the
   server does not answer. */

import { hasToken, keepToken, whenRefused } from "./api.js";
import { pauseClip, showClip } from "./clip.js";
import { showDashboard } from "./dashboard.js";
import { find } from "./dom.js";
import { showList } from "./list.js";
import { refreshSummary, showOverview, tellSummary } from "./overview.js";
import { readRoute, whenMoved } from "./route.js";
import { askForToken, showHowTo, whenSignedIn } from "./signin.js";
import { abandonUploads, resumeUploads, startUploads, uploadsAreOpen } from "./upload.js";

const TITLES = { clips: "Clips", clip: "Clip", upload: "Upload", overview: "Overview", live: "Live", signin: "Sign in", unset: "Switched off" };
const views = { clips: showList, clip: showClip, overview: showOverview, live: showDashboard, upload: () => {} };
const { dataset: state } = document.documentElement;
let asked = 0; // the view that was asked for last
let waiting = 0;

/* --- views --------------------------------------------------------------- */

/* Show what the address names. */
async function show({ back = false, again = false } = {}) {
  if (state.state === "unset") return turn("unset", showHowTo);
  if (!hasToken()) return turn("signin", askForToken);
  const route = readRoute();
  const turned = document.body.dataset.view !== route.view;
  turn(route.view);
  for (const link of document.querySelectorAll("nav [data-go]")) {
    link.setAttribute("aria-current", tellCurrent(link.dataset.go, route.view));
  }
  if (turned && !back && !again) scrollTo(0, 0);
  if (turned && !again) find(`section[data-view=${route.view}] h1`).focus({ preventScroll: true });
  await fill(route, { back, turned });
}

/* A single clip is within the clips. */
function tellCurrent(target, view) {
  if (target === view) return "page";
  return target === "clips" && view === "clip" ? "true" : "false";
}

async function fill(route, how) {
  asked += 1;
  const mine = asked;
  clearTimeout(waiting);
  try {
    await views[route.view](route, how);
    if (mine === asked) find("[data-trouble]").hidden = true;
  } catch (trouble) {
    if (!trouble.kind) throw trouble;
    if (mine === asked) showTrouble(trouble);
  }
}

function turn(view, begin = () => {}) {
  document.body.dataset.view = view;
  if (view !== "clip") pauseClip();
  document.title = `${TITLES[view]} · bytereel admin`;
  if (view === "signin" || view === "unset") find("[data-trouble]").hidden = true;
  begin();
}

/* Say why a view could not be filled; what may pass by itself is tried again. */
function showTrouble(trouble) {
  if (trouble.kind === "token" || trouble.kind === "stopped") return;
  if (trouble.kind === "off") {
    switchOff();
    return;
  }
  const again = trouble.seconds > 0;
  const panel = find("[data-trouble]");
  const said = find("[data-said]", panel);
  const more = again ? `This page tries again by itself in ${trouble.seconds} seconds.` : "";
  if (panel.hidden || said.textContent !== trouble.message) {
    said.replaceChildren(...trouble.tell());
    find("[data-more]", panel).textContent = more;
  }
  find("[data-home]", panel).hidden = trouble.kind !== "gone";
  find("[data-again]", panel).hidden = trouble.kind === "gone";
  panel.hidden = false;
  if (again) waiting = setTimeout(() => show({ again: true }), trouble.seconds * 1000);
}

/* --- in and out ---------------------------------------------------------- */

function switchOff() {
  state.state = "unset";
  keepToken("");
  show();
}

function enter(overview) {
  if (overview === null) {
    switchOff();
    return;
  }
  tellSummary(overview);
  document.body.dataset.view = "start";
  show();
  resumeUploads();
}

/* The token was right before: the server has got another one meanwhile. */
function leaveRefused() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  clearTimeout(waiting);
  turn("signin", () => askForToken("The server’s token was changed. Sign in with the new one to go on where you were; chosen files wait."));
}

function signOut() {
  if (uploadsAreOpen() && !confirm("Files are still being uploaded, or wait to be saved. Sign out all the same?")) return;
  abandonUploads();
  keepToken("");
  location.assign("/admin");
}

function start() {
  whenRefused(leaveRefused);
  whenSignedIn(enter);
  whenMoved(show);
  startUploads();
  find("[data-sign-out]").addEventListener("click", signOut);
  find("[data-again]").addEventListener("click", () => show({ again: true }));
  addEventListener("online", () => find("[data-trouble]").hidden || show({ again: true }));
  show().then(() => hasToken() && refreshSummary()); // one after the other: each wrong token counts
}

start();
