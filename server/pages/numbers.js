/* Numbers as people read them; on all pages the same. */

const LIST = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

export const number = (value) => LIST.format(value);

export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/* Return a number of bytes with at most three digits; a kB is 1000 bytes. It is the rule
   of show_bytes in server/library/report.py. */
export function bytes(size) {
  const whole = Math.round(size);
  const step = 10 ** Math.max(String(whole).length - 3, 0);
  const rounded = Math.round(whole / step) * step;
  const power = Math.floor((String(rounded).length - 1) / 3);
  return `${rounded / 1000 ** power} ${UNITS[power]}`;
}

export function percent(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return `${share > 0 && share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
}

/* Return a length in minutes and seconds. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
