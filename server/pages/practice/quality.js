/* Measures the line, and chooses a level of each clip by what this device is and has. */

import { clipUrl } from "./clips.js";
import { chooseLevel, ladderOf, weighSpeed } from "./levels.js";
import { canStream } from "./streaming.js";

const WANTED = "quality";
const SPEED = "bytereel:speed"; // it lasts as long as the tab
const CLIP = /^\/v3\/videos\/\d+\.mp4$/;
const SAMPLE = { least: 30_000, most: 16_000_000 }; // bytes: less tells little, of more players pause
const SAMPLES_MAX = 40;

export class Quality {
  constructor(store, clips) {
    this.store = store;
    this.clips = clips;
    this.samples = new Map(); // path → kbit per second, the newest last
    this.known = readSpeed();
    this.sides = []; // that the clips of a batch have, the highest first
    this.observe();
  }

  /* The side that the learner wants, in pixels; 0 leaves it to us. */
  get wanted() {
    return this.store.get(WANTED) ?? 0;
  }

  set wanted(side) {
    this.store.set(WANTED, side);
  }

  /* What the line carries, in kbit per second; null if nobody knows. */
  get kbit() {
    const { downlink } = navigator.connection ?? {}; // in Mbit, and only of some browsers
    return this.known ?? (downlink > 0 ? downlink * 1000 : null);
  }

  /* Take note of which levels a batch offers. */
  offer(clips) {
    const sides = clips.map(playable).filter((ladder) => ladder.length > 1).flat().map(({ side }) => side);
    this.sides = [...new Set(sides.filter((side) => side !== null))].sort((a, b) => b - a);
  }

  /* Return the level of a clip to play now on an element. */
  choose(clip, element) {
    const ladder = playable(clip);
    const kept = ladder.map(({ id }) => id).filter((id) => this.clips.has(clipUrl(id)));
    return chooseLevel(ladder, { ...this.describe(element), kept });
  }

  /* Return the level of a clip to fetch ahead: one that is kept if it is as good. */
  chooseAhead(clip, element) {
    const fresh = chooseLevel(playable(clip), this.describe(element));
    const kept = playable(clip).findLast(({ id }) => this.clips.has(clipUrl(id)));
    return this.wanted === 0 && kept && kept.kbit >= fresh.kbit ? kept : fresh;
  }

  /* Report whether to play a clip as HLS: a long one that is not on this device. */
  streams({ hls }, level, video) {
    return hls !== null && !this.clips.has(clipUrl(level.id)) && canStream(video);
  }

  /* Return the playlist of a clip: with all levels, or of the one that the learner wants. */
  playlistOf({ hls }, level) {
    return this.wanted === 0 ? hls : hls.replace(/\d+\/master\.m3u8$/, `${level.id}/master.m3u8`);
  }

  /* Return the least level of a clip, for a line that is slower than was thought; null
     where that is no less than this one, or the learner has chosen. */
  stepDown(clip, level) {
    const [least] = playable(clip);
    if (this.wanted > 0 || least.id === level.id) return null;
    this.slowDown();
    return least;
  }

  /* Think less of a line on which a clip stood still. */
  slowDown() {
    const kbit = this.kbit;
    if (kbit !== null) this.keep(kbit / 2);
  }

  describe(element) {
    const width = element.clientWidth || innerWidth; // without a clip there is no player
    const height = element.clientHeight || innerHeight;
    return {
      wanted: this.wanted,
      kbit: this.kbit,
      box: { width: width * devicePixelRatio, height: height * devicePixelRatio },
      sparing: this.clips.savesData,
      online: navigator.onLine,
    };
  }

  /* Learn from each clip that comes over the network, for a player or ahead of it. */
  observe() {
    const note = (list) => list.getEntries().forEach((entry) => { this.measure(entry); });
    try {
      new PerformanceObserver(note).observe({ type: "resource", buffered: true });
    } catch {} // then the browser's own guess has to do
  }

  measure({ name, transferSize, encodedBodySize: size, responseStart, responseEnd }) {
    const { pathname } = new URL(name);
    // Of what comes from a cache nothing is transferred.
    if (!CLIP.test(pathname) || transferSize < size || size < SAMPLE.least || size > SAMPLE.most) return;
    const kbit = (8 * size) / Math.max(responseEnd - responseStart, 1);
    this.samples.set(pathname, kbit);
    if (this.samples.size > SAMPLES_MAX) this.samples.delete(this.samples.keys().next().value);
    this.keep(weighSpeed(this.known, kbit));
  }

  keep(known) {
    this.known = known;
    try {
      sessionStorage.setItem(SPEED, known);
    } catch {}
  }
}

/* Return the levels of a clip that this browser has decoders for, or all if for none. */
function playable(clip) {
  const ladder = ladderOf(clip);
  const video = document.createElement("video");
  const fit = ladder.filter(({ codecs }) => !codecs || video.canPlayType(`video/mp4; codecs="${codecs}"`) !== "");
  return fit.length > 0 ? fit : ladder;
}

function readSpeed() {
  try {
    const kbit = Number(sessionStorage.getItem(SPEED));
    return kbit > 0 ? kbit : null;
  } catch {
    return null; // refused
  }
}
