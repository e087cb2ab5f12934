/* Draws a small chart: SVG stretches to its card, words beside it keep their size. */

import { find, make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 100; // of the drawing, in units of its own
const SLIVER = 1.5; // what a bar of nothing still shows
const READINGS = new WeakMap(); // of each chart, what its places say

function draw(tag, set) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(set)) element.setAttribute(name, value);
  return element;
}

/* Return an empty chart. */
export function makeChart() {
  const picture = draw("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, preserveAspectRatio: "none", focusable: "false" });
  const plot = make("div", { className: "plot" }, picture, make("p", {}), make("i", { hidden: true }));
  const chart = make(
    "div",
    { className: "chart", role: "img" },
    make("div", { className: "scale" }),
    plot,
    make("div", { className: "times" }),
    make("div", { className: "reading" }),
  );
  plot.addEventListener("pointermove", ({ clientX }) => read(chart, plot.getBoundingClientRect(), clientX));
  plot.addEventListener("pointerleave", () => point(chart, null));
  return chart;
}

/* Tell what is nearest to the pointer, in the place of the times. */
function read(chart, { left, width }, clientX) {
  const far = ({ x }) => Math.abs(left + x * width - clientX);
  const nearest = (best, each) => (best && far(best) <= far(each) ? best : each);
  point(chart, (READINGS.get(chart) ?? []).reduce(nearest, null));
}

function point(chart, reading) {
  const guide = find("i", chart);
  guide.hidden = reading === null;
  find(".reading", chart).textContent = reading?.text ?? "";
  if (reading) guide.style.left = `${100 * reading.x}%`;
}

/* Draw a card's lines and bars with their axes; a reader hears what it is called. */
export function fillChart(chart, { title, spoken, scale, times, lines = [], bars = [], area, empty, readings }) {
  READINGS.set(chart, readings);
  chart.setAttribute("aria-label", `${title}: ${spoken}.`);
  find(".scale", chart).replaceChildren(...scale.map(renderTick));
  find(".times", chart).replaceChildren(...times.map((text) => make("span", {}, text)));
  find("p", chart).textContent = empty;
  const drawn = [...scale.map(drawGrid), ...bars.map(drawBar)];
  for (const { mark, runs } of lines) {
    if (area) drawn.push(...runs.map(drawArea));
    const trace = runs.map(traceRun).join("");
    if (trace) drawn.push(draw("path", { class: "line", "data-mark": mark, d: trace }));
  }
  find("svg", chart).replaceChildren(...drawn);
}

/* Return what a line or bar looks like, beside its name. */
export function renderSwatch(mark) {
  const swatch = draw("svg", { class: "swatch", viewBox: "0 0 26 12", "aria-hidden": "true" });
  const shapes = { bar: { x: 7, width: 12 }, wide: { x: 3, width: 20 }, slim: { x: 9, width: 8 } };
  const shape = shapes[mark]
    ? draw("rect", { class: "bar", "data-mark": mark, ...shapes[mark], y: 0, height: 12 })
    : draw("path", { class: "line", "data-mark": mark, d: "M2 6H24" });
  swatch.append(shape);
  return swatch;
}

const across = ({ x }) => (SIZE * x).toFixed(2);
const down = ({ y }) => (SIZE * (1 - y)).toFixed(2);

function renderTick({ at, text }) {
  const tick = make("span", {}, text);
  tick.style.bottom = `${100 * at}%`;
  return tick;
}

function drawGrid({ at }) {
  return draw("path", { class: "grid", d: `M0 ${SIZE * (1 - at)}H${SIZE}` });
}

/* A run of one is a dot, by its round ends. */
function traceRun(run) {
  const [first, ...rest] = run.map((place) => `${across(place)} ${down(place)}`);
  return `M${first}${rest.map((place) => `L${place}`).join("") || "h0.01"}`;
}

function drawArea(run) {
  return draw("path", { class: "area", d: `${traceRun(run)}L${across(run.at(-1))} ${SIZE}L${across(run[0])} ${SIZE}Z` });
}

/* What is slim stands within what is wide. */
function drawBar({ mark, x, width, y }) {
  const height = Math.max(SIZE * y, SLIVER);
  const margin = mark === "slim" ? 0.3 : 0.1;
  return draw("rect", {
    class: "bar",
    "data-mark": mark,
    x: SIZE * (x + margin * width),
    width: SIZE * width * (1 - 2 * margin),
    y: SIZE - height,
    height,
  });
}
