/* Tiles: a figure, what it means, and facts about it. */

import { make } from "./dom.js";

export function renderTile(title, figure, meaning, rows) {
  const facts = rows.map(([name, ...values]) => {
    const parts = values.flatMap((value) => [" ", value]).slice(1);
    return make("div", {}, make("dt", {}, name), make("dd", {}, ...parts));
  });
  return make(
    "section",
    { className: "tile" },
    make("h2", {}, title),
    make("p", { className: "figure" }, make("strong", {}, figure), " ", make("span", {}, meaning)),
    make("dl", { className: "facts" }, ...facts),
  );
}
