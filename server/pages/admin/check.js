/* What a check found, as a list. */

import { make, named } from "./dom.js";
import { flawRemedy, flawSentence, SEVERITIES } from "./words.js";

/* Return an entry for each flaw; offered is the repair that stands beside it. */
export function renderFlaws(flaws, offered) {
  return flaws.map((flaw) =>
    make(
      "li",
      { "data-severity": flaw.severity },
      make("strong", {}, SEVERITIES[flaw.severity] ?? flaw.severity), " ",
      named(flawSentence(flaw)), " ",
      make("span", {}, named(flawRemedy(flaw, offered))),
    ),
  );
}
