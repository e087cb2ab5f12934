/* How clips played where they were watched, within four weeks. */

import { number } from "../numbers.js";
import { linked, named } from "./dom.js";
import { renderTile } from "./tiles.js";

const MOST = 5; // rows of a kind

/* Return a tile about first pictures, and one about stalls. */
export function renderPlayback({ days, all, networks, videos }) {
  if (all === null) return [renderTile("Playback", "–", `no player has told anything within ${days} days`, [])];
  return [renderPictures(days, all, networks), renderStalls(all, videos)];
}

function renderPictures(days, all, networks) {
  return renderTile("First picture", seconds(all.first_frame_median_ms), `or less, in half of the plays of ${days} days`, [
    ["Nine of ten within", seconds(all.first_frame_p90_ms)],
    ["Plays", number(all.plays)],
    ["Without a picture", number(all.without_picture)],
    ...networks.slice(0, MOST).map(renderNetwork),
  ]);
}

function renderNetwork({ name, first_frame_median_ms: median, stalls_per_play: stalls }) {
  return [`Network ${name}`, `${seconds(median)}, ${number(stalls)} stalls a play`];
}

function renderStalls(all, videos) {
  const troubled = videos.filter(({ stalls, errors }) => stalls + errors > 0);
  const share = all.stalled_percent;
  return renderTile("Stalls", number(all.stalls_per_play), "a play", [
    ["Of the time of playing", share === null ? "–" : `${number(share)} %`],
    ["Plays that failed", number(all.errors)],
    ...troubled.slice(0, MOST).map(renderClip),
  ]);
}

function renderClip({ video_id: id, name, plays, stalls, errors }) {
  const failed = errors ? `, ${number(errors)} failed` : "";
  return [linked(`/admin?video=${id}`, named(name)), `${number(stalls)} in ${number(plays)} plays${failed}`];
}

function seconds(milliseconds) {
  return milliseconds === null ? "–" : `${(milliseconds / 1000).toFixed(2)} s`;
}
