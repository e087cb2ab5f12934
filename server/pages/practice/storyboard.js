/* Shows on the bar of a long clip what is to be seen at each moment. */

import { clock } from "../numbers.js";

const LEAST_SECONDS = 20; // shorter clips have no storyboard
const TIME = /^(?:(\d+):)?(\d\d):(\d\d\.\d{3}) --> (?:(\d+):)?(\d\d):(\d\d\.\d{3})/;
const TILE = /^(.+)#xywh=(\d+),(\d+),(\d+),(\d+)$/;

/* Return the tiles that the WebVTT of a storyboard names, by their time: each { begin, end,
   image, x, y, width, height }, in seconds and pixels. */
export function readStoryboard(text) {
  const tiles = [];
  for (const block of text.split(/\n{2,}/)) {
    const [time, tile] = block.trim().split("\n");
    const [, ...times] = time.match(TIME) ?? [];
    const [, image, ...place] = tile?.match(TILE) ?? [];
    if (image === undefined || times.length === 0) continue;
    const [x, y, width, height] = place.map(Number);
    tiles.push({ begin: seconds(times.slice(0, 3)), end: seconds(times.slice(3)), image, x, y, width, height });
  }
  return tiles;
}

const seconds = ([hours, minutes, rest]) => Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(rest);

/* Return the tile that shows a moment; the last one stands for the end too. */
export const tileAt = (tiles, moment) => tiles.find(({ end }) => moment < end) ?? tiles.at(-1) ?? null;

export class Scrub {
  constructor(root, video, position) {
    this.video = video;
    this.position = position;
    this.box = root.querySelector("[data-preview]");
    this.show(null);
    for (const name of ["pointerenter", "pointerdown", "focus"]) position.addEventListener(name, () => this.load());
    position.addEventListener("pointermove", ({ clientX }) => this.point(clientX));
    position.addEventListener("input", () => this.draw(Number(position.value)));
    for (const name of ["pointerleave", "pointercancel", "change", "blur"]) position.addEventListener(name, () => this.hide());
  }

  /* Take another clip, by the id of its original. */
  show(id) {
    this.id = id;
    this.tiles = null; // not asked for
    this.hide();
  }

  /* Ask for the storyboard: only where a person is at the bar, as it has to be made once. */
  async load() {
    const { id, video } = this;
    if (this.tiles !== null || !(video.duration > LEAST_SECONDS)) return;
    this.tiles = [];
    const address = `/v3/videos/${id}/storyboard.vtt`;
    try {
      const response = await fetch(address);
      const text = response.ok ? await response.text() : "";
      if (this.id !== id) return;
      if (response.status === 503) this.tiles = null; // it is being made: ask again later
      else this.tiles = readStoryboard(text).map((tile) => ({ ...tile, image: new URL(tile.image, response.url).href }));
    } catch {
      if (this.id === id) this.tiles = null;
    }
  }

  point(x) {
    const { left, width } = this.position.getBoundingClientRect();
    const share = Math.min(Math.max((x - left) / width, 0), 1);
    this.draw(share * this.video.duration);
  }

  draw(moment) {
    const tile = tileAt(this.tiles ?? [], moment);
    this.box.hidden = tile === null;
    if (tile === null) return;
    const { style } = this.box.firstElementChild;
    style.width = `${tile.width}px`;
    style.height = `${tile.height}px`;
    style.backgroundImage = `url("${tile.image}")`;
    style.backgroundPosition = `-${tile.x}px -${tile.y}px`;
    this.box.lastElementChild.textContent = clock(moment);
    this.place(moment / this.video.duration);
  }

  /* Put the picture above the place on the bar, within the player. */
  place(share) {
    const bar = this.position.getBoundingClientRect();
    const around = this.box.offsetParent.getBoundingClientRect();
    const middle = bar.left - around.left + share * bar.width;
    const left = middle - this.box.offsetWidth / 2;
    this.box.style.left = `${Math.min(Math.max(left, 4), around.width - this.box.offsetWidth - 4)}px`;
  }

  hide() {
    this.box.hidden = true;
  }
}
