/* Which view the address names, and with what; all of it outlives a reload and goes back. */

const DEFAULTS = { view: "clips", video: "", search: "", sort: "newest", filter: "all", page: "1" };

let listener = () => {};

/* Return what the address says: view, video, search, sort, filter and page. */
export function readRoute(query = location.search) {
  const given = new URLSearchParams(query);
  const route = Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, given.get(key) || DEFAULTS[key]]));
  if (route.video) route.view = "clip";
  else if (!["clips", "upload", "overview", "live"].includes(route.view)) route.view = "clips";
  if (!/^[1-9]\d{0,5}$/.test(route.page)) route.page = "1";
  return route;
}

/* Return the address that differs from this one in what is given. */
export function address(changes) {
  const current = readRoute();
  const wanted = { ...current, view: "clips", video: "", ...changes };
  const kept = Object.entries(wanted).filter(([key, value]) => String(value) !== DEFAULTS[key] && !(key === "view" && wanted.video));
  const query = new URLSearchParams(kept).toString();
  return `/admin${query ? `?${query}` : ""}`;
}

/* Go where the changes lead; replace stays at the same step of the way back. */
export function go(changes, { replace = false } = {}) {
  move(address(changes), replace);
}

function move(target, replace) {
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  listener({ back: false });
}

/* Call back for each change of the address, and say whether it was a step back. */
export function whenMoved(heard) {
  listener = heard;
  addEventListener("popstate", () => heard({ back: true }));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-go]");
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!link || !plain) return;
    event.preventDefault();
    move(link.href, false);
  });
}
