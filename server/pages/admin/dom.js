/* Puts text on the page. A file name may hold anything, so it is only ever text. */

export const find = (selector, root = document) => root.querySelector(selector);

/* Return a copy of a template's one element. */
export function copy(id) {
  return find(`template#${id}`).content.firstElementChild.cloneNode(true);
}

/* Return an element; what is set is a property, or an attribute where it has a hyphen. */
export function make(tag, set = {}, ...parts) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...parts);
  return element;
}

/* Return a name that cannot turn the words around it (Unicode UAX 9, isolates). */
export function named(text) {
  return make("bdi", {}, text);
}

/* Return a link within the page. */
export function linked(address, ...parts) {
  return make("a", { href: address, "data-go": "" }, ...parts);
}

/* Return a moment as it is read here, exact for who points at it. */
export function timed(date, format) {
  if (date === null) return "not known"; // a table of others need not tell
  return make("time", { dateTime: date, title: MOMENT.format(new Date(date)) }, format.format(new Date(date)));
}

export const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
export const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/* Say something where it belongs; kind is done, busy, wrong or "". */
export function say(place, kind, ...parts) {
  place.dataset.kind = kind;
  place.replaceChildren(...parts);
}

/* Mark a field as filled in wrongly, or no longer so. */
export function markWrong(field, wrong) {
  if (wrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

/* Do something, with its button out of reach meanwhile, and say what went wrong. */
export async function attempt(button, place, action) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true"); // disabled it would lose the focus
  try {
    await action();
  } catch (trouble) {
    if (!trouble.kind) throw trouble;
    say(place, "wrong", ...trouble.tell());
    place.scrollIntoView({ block: "nearest" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/* Copy a text, or at least mark it for the person to do so. */
export async function copyText(text, source, place) {
  try {
    await navigator.clipboard.writeText(text);
    say(place, "done", "Copied.");
  } catch {
    getSelection().selectAllChildren(source);
    say(place, "", "Marked: copy it with Ctrl-C or ⌘C.");
  }
}
