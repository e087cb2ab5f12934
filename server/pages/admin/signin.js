/* The way in: a token that the server takes, or how to give the server one. */

import { keepToken, signIn, tellLock } from "./api.js";
import { copyText, find, markWrong } from "./dom.js";

const TOKEN_BYTES = 24;
const form = find("[data-signin]");
const field = find("#token");
const button = find("button.main", form);
let ticking = 0;

/* Show the form, and why it is asked for again. */
export function askForToken(why = "") {
  refuse(why);
  field.value = "";
  field.focus();
}

/* Call back with what the server says of itself once a token is right. */
export function whenSignedIn(entered) {
  find("[data-reveal]").addEventListener("change", ({ target }) => {
    field.type = target.checked ? "text" : "password";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (ticking || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const overview = await signIn(field.value.trim());
      field.value = "";
      refuse("");
      entered(overview);
    } catch (trouble) {
      explain(trouble, entered);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

function explain(trouble, entered) {
  if (trouble.kind === "off") {
    keepToken("");
    entered(null);
  } else if (trouble.kind === "locked") {
    countDown(trouble.seconds);
  } else {
    const more = { token: "Check it and try again.", away: "Try again in a moment.", database: "Try again in a moment." };
    refuse(`${trouble.message} ${more[trouble.kind] ?? ""}`);
    field.select();
    field.focus();
  }
}

function refuse(sentence) {
  const place = find("[data-refused]");
  place.hidden = sentence === "";
  place.textContent = sentence;
  markWrong(field, sentence !== "");
}

/* Say how long nobody is let in, each second for the eye and once for the ear. */
function countDown(seconds) {
  const end = Date.now() + seconds * 1000;
  refuse(`${tellLock(seconds)} This page will tell when you can try again.`);
  clearInterval(ticking);
  ticking = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    button.textContent = left > 0 ? `Sign in (in ${left} s)` : "Sign in";
    button.setAttribute("aria-disabled", String(left > 0));
    if (left > 0) return;
    clearInterval(ticking);
    ticking = 0;
    refuse("You can try again now.");
    markWrong(field, false);
  }, 250);
}

/* Show how to switch the page on, with a token that nobody else has seen. */
export function showHowTo() {
  const section = find("section[data-view=unset]");
  const code = find("[data-command]", section);
  if (code.dataset.made) return;
  code.dataset.made = "yes";
  const octets = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  const made = btoa(String.fromCharCode(...octets)).replaceAll("+", "-").replaceAll("/", "_");
  code.textContent = `BYTEREEL_ADMIN_TOKEN=${made.startsWith("-") ? `a${made.slice(1)}` : made} bytereel serve`;
  find("[data-copy]", section).addEventListener("click", () => copyText(code.textContent, code, find("[data-copied]", section)));
  find("[data-reload]", section).addEventListener("click", () => location.reload());
}
