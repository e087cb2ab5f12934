/* Which level of a clip to play; decides, and touches neither page nor network. */

const HEADROOM = 0.8; // a clip may take up so much of what the line carries
const SHARP = 0.85; // of the pixels it is shown on look as sharp as all of them
const UNKNOWN_KBIT = 2500; // per second: a line nothing is known of
const NEWEST = 0.5; // what the newest measurement weighs

/* Return the levels of a clip, the fewest bits first, with it itself among them; each is
   { id, width, height, side, kbit, codecs }. Side and kbit are what is not known: null and
   Infinity of a clip that stands alone. */
export function ladderOf({ id, levels = [] }) {
  const known = levels.map(({ id: level, width, height, bit_rate: bits, codecs }) => ({
    id: level,
    width,
    height,
    side: width && height ? Math.min(width, height) : null,
    kbit: bits ? bits / 1000 : Number.POSITIVE_INFINITY,
    codecs,
  }));
  if (!known.some((level) => level.id === id)) {
    known.push({ id, width: null, height: null, side: null, kbit: Number.POSITIVE_INFINITY, codecs: null });
  }
  return known.sort((a, b) => a.kbit - b.kbit);
}

/* Return the level of a ladder to play.

   wanted is the side that the learner has chosen, in pixels, or 0 for none; kept are the
   ids that lie on this device; kbit is what the line carries in a second, null if nobody
   knows; box is what the clip is shown on, { width, height } in pixels of the screen;
   sparing says that the device saves data, online whether there is a network. */
export function chooseLevel(ladder, { wanted = 0, kept = [], kbit = null, box = null, sparing = false, online = true }) {
  const here = ladder.filter(({ id }) => kept.includes(id));
  if (wanted > 0) return atMost(online || here.length === 0 ? ladder : here, wanted);
  if (here.length > 0) return here.at(-1); // it starts at once and costs nothing
  if (sparing) return ladder[0];
  const most = HEADROOM * (kbit ?? UNKNOWN_KBIT);
  const carried = ladder.filter((level) => level.kbit <= most);
  return carried.find((level) => fills(level, box)) ?? carried.at(-1) ?? ladder[0];
}

/* Return the best level of at most this side; the least where all have more. */
function atMost(ladder, side) {
  return ladder.findLast((level) => level.side !== null && level.side <= side) ?? ladder[0];
}

/* Report whether a level has the pixels that are seen where it is shown whole in a box. */
function fills({ width, height, side }, box) {
  if (side === null) return true;
  if (!box || !(box.width > 0 && box.height > 0)) return false;
  return Math.min(box.width / width, box.height / height) * SHARP <= 1;
}

/* Return the speed of a line after one more measurement, in kbit per second. It is a mean
   of what a bit took, so it falls at once and rises late. */
export function weighSpeed(known, kbit) {
  return known === null ? kbit : 1 / ((1 - NEWEST) / known + NEWEST / kbit);
}

/* Return the name of a level, as people know it. */
export const nameLevel = ({ side }) => (side === null ? "Original" : `${side}p`);
