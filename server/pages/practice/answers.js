/* Brings answers to the server, later if need be; each carries an id of its own, by which
   the server counts it once however often it comes. */

const SEND_SECONDS = 15;
const RETRY_SECONDS = { first: 4, most: 60 };
const LATER = [408, 425, 429]; // other refusals are for good (RFC 9110, 15.5; RFC 8470; RFC 6585)
const ANSWER = "answer:";

export class Answers {
  constructor(store, changed) {
    this.store = store;
    this.changed = changed; // called when more or fewer answers wait
    this.own = new Map(); // review_id → { answer, told }, of this page
    this.sending = null;
    this.failing = false;
    this.pause = RETRY_SECONDS.first;
    addEventListener("online", () => this.send());
    addEventListener("storage", changed); // another tab has kept or sent one
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.failing) this.send();
    });
  }

  /* Keep an answer and send it. told is called with what the server says of it, and
     before that with { away } when it can't be reached. */
  put(answer, told) {
    this.own.set(answer.review_id, { answer, told });
    this.store.set(ANSWER + answer.review_id, answer);
    this.send();
  }

  /* Return all that wait, the first given first; other learners' and tabs' too. */
  list() {
    const kept = this.store.list(ANSWER).map((answer) => [answer.review_id, answer]);
    const own = [...this.own.values()].map(({ answer }) => [answer.review_id, answer]);
    const all = [...new Map([...kept, ...own]).values()];
    return all.sort((a, b) => a.reviewed_at.localeCompare(b.reviewed_at));
  }

  /* Send what waits; one pass at a time, and what comes meanwhile goes along. */
  send() {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  async sendAll() {
    clearTimeout(this.retry);
    const tried = new Set();
    const findNext = () => this.list().find(({ review_id: id }) => !tried.has(id));
    this.failing = false;
    for (let next = findNext(); next; next = findNext()) {
      tried.add(next.review_id);
      const outcome = await post(next);
      if (outcome.away) {
        this.failing = true;
        if (outcome.away === "network") break;
        continue; // what the server can't take now must not hold up the others
      }
      this.pause = RETRY_SECONDS.first;
      this.settle(next.review_id, outcome);
    }
    if (this.failing) this.wait();
    this.changed();
  }

  settle(id, outcome) {
    const told = this.own.get(id)?.told;
    this.own.delete(id);
    this.store.drop(ANSWER + id);
    told?.(outcome);
  }

  wait() {
    for (const { told } of this.own.values()) told({ away: true });
    if (!navigator.onLine) return; // the browser will tell when it is back
    this.retry = setTimeout(() => this.send(), this.pause * 1000);
    this.pause = Math.min(this.pause * 2, RETRY_SECONDS.most);
  }
}

/* Return what the server says, { refused } where it never will take it, or { away }. */
async function post(answer) {
  if (!navigator.onLine) return { away: "network" };
  try {
    const response = await fetch("/v3/reviews", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(answer),
      cache: "no-store",
      signal: AbortSignal.timeout?.(SEND_SECONDS * 1000),
    });
    if (response.status >= 500 || LATER.includes(response.status)) return { away: "server" };
    const said = await response.json();
    return response.ok ? said : { refused: said.error ?? `status ${response.status}` };
  } catch {
    return { away: "network" };
  }
}
