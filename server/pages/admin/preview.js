/* A clip in a list moves while it is looked at, unless a person wants less motion. */

const DWELL_MS = 200; /* whoever only passes over the list fetches nothing */
const still = matchMedia("(prefers-reduced-motion: reduce)");

/* Have the picture in a link show the whole clip while the link is hovered or focused. */
export function listenToPreview(link, picture, id) {
  const thumbnail = picture.src;
  let waiting = 0;

  function begin() {
    clearTimeout(waiting);
    if (!still.matches) waiting = setTimeout(load, DWELL_MS);
  }

  /* The thumbnail stays until the preview is there, and where there is none. */
  function load() {
    const preview = new Image();
    preview.addEventListener("load", () => {
      if (link.matches(":hover, :focus-visible")) picture.src = preview.src;
    });
    preview.src = `/v3/videos/${id}/preview.webp`;
  }

  function end() {
    if (link.matches(":hover, :focus-visible")) return;
    clearTimeout(waiting);
    if (picture.src !== thumbnail) picture.src = thumbnail;
  }

  for (const name of ["pointerenter", "focus"]) link.addEventListener(name, begin);
  for (const name of ["pointerleave", "blur"]) link.addEventListener(name, end);
}
