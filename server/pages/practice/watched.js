/* Counts how far clips are watched: started, quarter, half, completed, each at most once a
   showing. What was played counts, wherever in the clip, each second once: to go to the
   end without watching completes nothing, and neither does the first quarter four times.

   Nothing is sent for each step: they wait until some have come together, or the page is
   left; without network, until it is back. */

const WATCHED = "/v3/views";
const STEPS = { started: 0, quarter: 0.25, half: 0.5, completed: 0.95 }; // shares played
const GATHER_MS = 10_000;
const VIEWS_MAX = 50; // in one batch, as the server has it
const WAITING_MAX = 500; // more are not kept while there is no network

class Watched {
  constructor() {
    this.waiting = [];
    addEventListener("online", () => this.send());
    addEventListener("pagehide", () => this.send());
    // On phones the last that a page hears of its end.
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.send());
  }

  /* Note what a showing has newly reached; it is { id, reached: a set }. */
  note(showing, video) {
    const share = playedShare(video);
    for (const [step, least] of Object.entries(STEPS)) {
      if (share === 0 || share < least || showing.reached.has(step)) continue;
      showing.reached.add(step);
      if (this.waiting.length < WAITING_MAX) this.waiting.push({ video_id: showing.id, reached: step });
      this.timer ??= setTimeout(() => this.send(), GATHER_MS);
    }
  }

  send() {
    clearTimeout(this.timer);
    this.timer = null;
    while (this.waiting.length > 0 && navigator.onLine) {
      const views = this.waiting.slice(0, VIEWS_MAX);
      if (!navigator.sendBeacon(WATCHED, JSON.stringify({ views }))) return; // with the next ones
      this.waiting.splice(0, views.length);
    }
  }
}

/* Return which share of a clip was played at least once. */
function playedShare({ played, duration }) {
  let seconds = 0;
  for (let place = 0; place < played.length; place += 1) seconds += played.end(place) - played.start(place);
  return duration > 0 ? seconds / duration : 0;
}

export const watched = new Watched();
