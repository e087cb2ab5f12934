/* Plays the clips of a definition or a question: muted, at once, by byte ranges; text in
   their place when they can't be had. */

import { Cues } from "./captions.js";
import { clipUrl, posterUrl } from "./clips.js";
import { nameLevel } from "./levels.js";
import { Measure, nameError } from "./playback.js";
import { Scrub } from "./storyboard.js";
import { Stream } from "./streaming.js";
import { watched } from "./watched.js";
import { languageOf } from "./words.js";

const LATE_MS = 2500; // then fewer bits come sooner
const SLOW_MS = 9000; // without a picture for so long the text helps more
const SWIPE_PX = 40;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let sound = false; // wanted by the person, for all players

export class Player {
  constructor(root, { quality, captions, settled }) {
    this.root = root;
    this.quality = quality;
    this.settled = settled; // called when the clip has come, or will not
    root.append(document.querySelector("#player").content.cloneNode(true));
    this.video = root.querySelector("video");
    this.screen = root.querySelector(".screen");
    this.position = root.querySelector("[type=range]");
    this.cues = new Cues(root, this.video, captions);
    this.scrub = new Scrub(root, this.video, this.position);
    this.measure = new Measure(this.video, (path) => quality.samples.get(path) ?? null);
    this.clips = [];
    this.place = 0;
    this.listen();
  }

  get empty() {
    return this.clips.length === 0;
  }

  get clip() {
    return this.clips[this.place];
  }

  /* Show clips, or nothing where there are none; begin says whether to play now. */
  show(clips, { text, label, begin }) {
    this.clips = clips;
    this.place = 0;
    this.begun();
    this.root.hidden = this.empty;
    this.root.setAttribute("aria-label", label);
    this.write("[data-text]", text);
    this.caption("");
    if (this.empty) this.stop();
    else this.load(begin);
  }

  /* Take what is shown now for a new showing, which has reached nothing. */
  begun() {
    if (this.showing) watched.note(this.showing, this.video); // its last moment
    this.showing = { id: this.clip?.id, reached: new Set() };
  }

  caption(text) {
    this.write(".caption", text);
  }

  write(selector, text) {
    const place = this.root.querySelector(selector);
    place.textContent = text;
    place.lang = languageOf(text);
  }

  load(begin) {
    const { video, root } = this;
    const now = begin && !calm.matches;
    root.dataset.state = "loading";
    root.querySelector(".turn").hidden = this.clips.length < 2;
    root.querySelector("[data-count]").textContent = `Clip ${this.place + 1} of ${this.clips.length}`;
    this.position.value = 0;
    this.cues.show(this.clip.captions);
    this.scrub.show(this.clip.id);
    video.muted = !sound;
    video.poster = posterUrl(this.clip.id);
    this.clearTimers();
    this.slow = setTimeout(() => this.giveUp(), SLOW_MS);
    this.late = setTimeout(() => this.stepDown(now), LATE_MS);
    this.measure.begin(this.clip.id);
    this.asFile = false;
    this.fetch(this.quality.choose(this.clip, this.screen), now);
  }

  /* Have the browser fetch a level of the clip, and play it if that is wanted now. */
  fetch(level, now) {
    const { video, root } = this;
    this.level = level;
    const button = root.querySelector("[data-level]");
    button.hidden = this.clip.levels.length < 2;
    button.textContent = nameLevel(level);
    button.setAttribute("aria-label", `Quality: ${nameLevel(level)}`);
    this.measure.take(clipUrl(level.id), level.id === this.clip.id ? null : level.side);
    this.stream?.stop();
    this.stream = null;
    const begin = () => now && this.play();
    if (!this.asFile && this.quality.streams(this.clip, level, video)) {
      this.stream = new Stream(video, this.quality.playlistOf(this.clip, level), { begun: begin, failed: () => this.leaveStream(now) });
      return;
    }
    // Without the fragment some phones show no picture before they play.
    video.src = clipUrl(level.id) + (now ? "" : "#t=0.001");
    video.load();
    this.showState();
    begin();
  }

  /* Play the file, as not every video can be played as HLS. */
  leaveStream(now) {
    this.asFile = true;
    this.fetch(this.level, now);
  }

  /* Take the least level where this one does not come. */
  stepDown(now) {
    if (this.root.dataset.state !== "loading" || this.stream) return;
    const level = this.quality.stepDown(this.clip, this.level);
    if (level) this.fetch(level, now || !this.video.paused);
  }

  /* Show at once what the learner has chosen. */
  changeLevel() {
    if (this.empty || this.root.dataset.state === "failed") return;
    if (this.quality.choose(this.clip, this.screen).id !== this.level.id) this.load(!this.video.paused);
  }

  clearTimers() {
    clearTimeout(this.slow);
    clearTimeout(this.late);
  }

  /* Play what has waited for its turn. */
  begin() {
    if (!this.empty && !calm.matches) this.play();
  }

  stop() {
    this.clearTimers();
    this.stream?.stop();
    this.stream = null;
    this.measure.end();
    this.cues.show([]);
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.removeAttribute("poster");
    this.video.load();
    this.root.dataset.state = "none";
  }

  play() {
    this.video.play().catch(({ name }) => {
      if (name !== "NotAllowedError" || this.video.muted) return; // it waits for a press
      this.video.muted = true;
      this.video.play().catch(() => {});
    });
  }

  toggle() {
    const { video } = this;
    if (this.root.dataset.state === "failed") this.load(true);
    else if (video.paused || video.ended) this.play();
    else video.pause();
  }

  pause() {
    this.video.pause();
  }

  turn(step) {
    this.place = (this.place + step + this.clips.length) % this.clips.length;
    this.begun();
    this.load(true);
  }

  /* Try again what failed; a press starts the clip, the network's return does not. */
  retry(begin = true) {
    if (this.root.dataset.state === "failed") this.load(begin);
  }

  fail(error) {
    if (this.empty) return;
    if (this.stream && this.video.readyState === 0) return this.leaveStream(!this.video.paused);
    this.measure.fail(error);
    this.clearTimers();
    this.root.dataset.state = "failed";
    this.settled(this);
  }

  /* Some phones fetch no more than the first picture before they play. */
  giveUp() {
    if (this.root.dataset.state === "loading") this.fail("network");
    else this.settled(this);
  }

  ready() {
    this.root.dataset.state = "ready";
  }

  setSound(wanted) {
    sound = wanted;
    this.video.muted = !sound;
    if (this.video.paused) this.play();
  }

  /* Open the options at the quality. */
  askQuality() {
    document.querySelector("[data-options]").click();
    document.querySelector("#quality").focus();
  }

  noteStall() {
    const { seeking, ended } = this.video;
    if (this.root.dataset.playing === "yes" && this.video.currentTime > 0 && !seeking && !ended) this.quality.slowDown();
  }

  listen() {
    const { video, root, position } = this;
    const on = (target, name, action) => target.addEventListener(name, action);
    on(video, "loadeddata", () => this.ready());
    on(video, "canplaythrough", () => this.settled(this));
    on(video, "error", () => video.getAttribute("src") && this.fail(nameError(video.error ?? {})));
    for (const name of ["play", "pause", "ended", "volumechange"]) on(video, name, () => this.showState());
    for (const name of ["timeupdate", "pause", "ended"]) on(video, name, () => watched.note(this.showing, video));
    on(video, "play", () => this.follow());
    on(video, "seeked", () => this.showPosition());
    on(video, "loadedmetadata", () => {
      position.max = video.duration;
    });
    on(position, "input", () => {
      video.currentTime = Number(position.value);
    });
    on(root.querySelector("[data-play]"), "click", () => this.toggle());
    on(root.querySelector("[data-toggle]"), "click", () => this.toggle());
    on(root.querySelector("[data-sound]"), "click", () => this.setSound(video.muted));
    on(root.querySelector("[data-level]"), "click", () => this.askQuality());
    on(video, "waiting", () => this.noteStall());
    on(root.querySelector("[data-retry]"), "click", () => this.retry());
    for (const button of root.querySelectorAll("[data-turn]")) {
      on(button, "click", () => this.turn(Number(button.dataset.turn)));
    }
    this.listenToSwipes(this.screen);
  }

  listenToSwipes(screen) {
    let from = null;
    const begin = ({ touches }) => {
      from = touches[0].clientX;
    };
    screen.addEventListener("touchstart", begin, { passive: true });
    screen.addEventListener("touchend", ({ changedTouches }) => {
      const way = changedTouches[0].clientX - from;
      if (this.clips.length > 1 && Math.abs(way) > SWIPE_PX) this.turn(way < 0 ? 1 : -1);
    });
  }

  showState() {
    const { video, root } = this;
    root.dataset.playing = video.ended ? "ended" : video.paused ? "no" : "yes";
    root.dataset.sound = video.muted ? "off" : "on";
    const names = { ended: "Replay", no: "Play", yes: "Pause" };
    root.querySelector("[data-toggle]").setAttribute("aria-label", names[root.dataset.playing]);
    root.querySelector("[data-sound]").setAttribute("aria-pressed", String(!video.muted));
  }

  showPosition() {
    this.position.value = this.video.currentTime;
    this.position.setAttribute("aria-valuetext", `${this.video.currentTime.toFixed(1)} seconds`);
  }

  /* Move the handle with each picture of the screen while the clip plays. */
  follow() {
    this.showPosition();
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.follow());
  }
}
