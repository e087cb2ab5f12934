/* Tells the server how clips play: how long until the first picture, stalls, errors; and
   nothing about who. It waits for no answer, so an older server may have none. */

const PLAYBACK = "/v3/playback";
const GATHER_MS = 15_000;
const PLAYS_MAX = 20; // in one beacon; the server takes 50
const WAITING_MAX = 100; // more are not kept while there is no network
// What the server takes at most:
const WAIT_MAX_MS = 600_000;
const WATCHED_MAX_MS = 86_400_000;
const STALLS_MAX = 1000;
const KBIT_MAX = 10_000_000;
const CODES = { 2: "network", 3: "decode" }; // of MediaError (HTML, 4.8.11.1)
const UNFIT = /demuxer|decode|pipeline|mimetype|metadata/i;

class Playback {
  constructor() {
    this.plays = [];
    this.measures = [];
    addEventListener("online", () => this.send());
    addEventListener("pagehide", () => this.leave());
    // On phones the last that a page hears of its end.
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.leave());
  }

  add(play) {
    if (this.plays.length < WAITING_MAX) this.plays.push(play);
    this.timer ??= setTimeout(() => this.send(), GATHER_MS);
  }

  leave() {
    for (const measure of this.measures) measure.end();
    this.send();
  }

  send() {
    clearTimeout(this.timer);
    this.timer = null;
    while (this.plays.length > 0 && navigator.onLine) {
      const plays = this.plays.slice(0, PLAYS_MAX);
      if (!navigator.sendBeacon(PLAYBACK, JSON.stringify({ plays }))) return; // with the next ones
      this.plays.splice(0, plays.length);
    }
  }
}

const playback = new Playback();

/* Measures how a video element plays one clip after the other. */
export class Measure {
  constructor(video, speedOf) {
    this.video = video;
    this.speedOf = speedOf; // of a path, in kbit per second; null if nobody knows
    this.now = null;
    playback.measures.push(this);
    const on = (names, action) => {
      for (const name of names) video.addEventListener(name, () => this.now && action(this.now, performance.now()));
    };
    on(["play"], (now) => { now.wanted = true; });
    on(["loadeddata"], (now, at) => { now.firstFrame ??= at - now.begun; });
    on(["playing"], (now, at) => {
      this.pause(at);
      now.playingSince = at;
    });
    on(["waiting"], (now, at) => this.wait(now, at));
    on(["pause", "ended", "emptied", "seeking"], () => this.pause(performance.now()));
  }

  /* Begin a clip; what was measured of the last one is sent. */
  begin(clipId) {
    this.end();
    this.now = { clipId, begun: performance.now(), firstFrame: null, stalls: 0, stalled: 0, watched: 0, error: null };
  }

  /* Take note of the level that is played; null stands for the clip itself. */
  take(path, side) {
    if (this.now) Object.assign(this.now, { path, side });
  }

  wait(now, at) {
    const { video } = this;
    const plays = now.playingSince !== undefined && !video.seeking && !video.ended && !video.paused;
    this.pause(at);
    if (!plays) return;
    now.stalls += 1;
    now.stalledSince = at;
  }

  /* Add up the time that has gone since it began to play, or to stall. */
  pause(at) {
    const { now } = this;
    if (now.playingSince) now.watched += at - now.playingSince;
    if (now.stalledSince) now.stalled += at - now.stalledSince;
    now.playingSince &&= 0; // it has played before
    now.stalledSince = 0;
  }

  fail(error) {
    if (!this.now) return;
    this.now.error = error;
    this.end();
  }

  end() {
    const { now } = this;
    if (!now) return;
    this.pause(performance.now());
    this.now = null;
    if (!now.wanted && !now.error) return; // it waited for its turn
    const kbit = this.speedOf(now.path);
    playback.add({
      video_id: now.clipId,
      level: now.side,
      first_frame_ms: whole(now.firstFrame, WAIT_MAX_MS),
      stalls: whole(now.stalls, STALLS_MAX),
      stalled_ms: whole(now.stalled, WATCHED_MAX_MS),
      watched_ms: whole(now.watched, WATCHED_MAX_MS),
      kbit_per_s: whole(kbit, KBIT_MAX),
      network: navigator.connection?.effectiveType ?? null,
      error: now.error,
    });
  }
}

const whole = (value, most) => (value === null ? null : Math.min(Math.round(value), most));

/* Return what went wrong by a MediaError; browsers also call it unsupported if nothing came. */
export function nameError({ code, message = "" } = {}) {
  return CODES[code] ?? (UNFIT.test(message) ? "unsupported" : "network");
}
