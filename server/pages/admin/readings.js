/* What the server's history says, as cards to draw; decides, and touches nothing. */

import { bytes, counted, number, percent } from "../numbers.js";

const MINUTE = 60; // seconds
const HOUR = 60 * MINUTE;
/* A young history has a closer look: how long its charts are, and into what they divide. */
const SPANS = [
  { span: 5 * MINUTE, fine: 10, coarse: MINUTE },
  { span: 15 * MINUTE, fine: 30, coarse: 3 * MINUTE },
  { span: HOUR, fine: MINUTE, coarse: 5 * MINUTE },
];
const FASTEST_MS = 0.1; // the server tells no less
const SLOWEST_MS = 30_000; // nor more
const QUANTILES = ["p50", "p95", "p99"];
const UNKNOWN = "–";
const UNTOLD = "The database does not tell.";
const PLAYS = "The practice page tells of plays, other apps through POST /v3/views.";
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "short", hour12: false });
const EXACT = new Intl.DateTimeFormat("en", { timeStyle: "medium", hour12: false });
const DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

const moment = (seconds) => EXACT.format(seconds * 1000);
const minute = (seconds) => CLOCK.format(seconds * 1000);
const date = ({ day }) => DATE.format(new Date(`${day}T00:00:00Z`));
const sum = (list, key) => list.reduce((total, each) => total + each[key], 0);

/* Return the cards. In a chart, 0 and 1 are the ends of both axes. */
export function readCards(history) {
  const end = history.points.at(-1)?.at ?? 0;
  const points = history.points.filter(({ at }) => at > end - HOUR);
  const length = points.length ? end - points[0].at + history.step_seconds : 0;
  const { span, ...bins } = SPANS.find((each) => each.span >= length) ?? SPANS.at(-1);
  const frame = { ...bins, end, across: (at) => Math.max(1 - (end - at) / span, 0) };
  frame.times = [`${span / MINUTE} min ago`, `${span / MINUTE / 2} min`, "now"];
  return [
    readSpeed(points, frame, history.step_seconds),
    readEdge(points, frame, history),
    readSize(history),
    readErrors(points, frame),
    readPlays(history.days),
  ];
}

/* Say how old the numbers are, and since when there are any. */
export function tellAge({ points, step_seconds: step }) {
  if (!points.length) return `Numbers gather; the first are here within ${step} seconds.`;
  const since = points[0].at - step;
  const age = `As of ${moment(points.at(-1).at)}.`;
  return points.at(-1).at - since < HOUR ? `${age} Numbers gather since ${moment(since)}.` : age;
}

/* --- the last hour ------------------------------------------------------- */

function readSpeed(points, { end, across, coarse, times }, step) {
  const asked = points.filter((point) => point.video_requests);
  const last = asked.at(-1);
  const [p50, ...others] = last ? last.first_byte_ms.map(duration) : QUANTILES.map(() => UNKNOWN);
  const top = Math.max(...asked.flatMap((point) => point.first_byte_ms), 0);
  const scale = decades(top);
  const place = (ms) => Math.log10(Math.max(ms, FASTEST_MS) / FASTEST_MS) / (scale.length - 1);
  const legend = QUANTILES.map((name, at) => ({ mark: at + 1, name, value: [p50, ...others][at] }));
  return {
    id: "speed",
    title: "Response time",
    figure: p50,
    meaning: "until half of the answers begin (p50)",
    legend,
    scale: scale.map((ms, at) => ({ at: at / (scale.length - 1), text: tick(ms) })),
    times,
    lines: QUANTILES.map((_, at) => ({
      mark: at + 1,
      runs: findRuns(points, 2.5 * step, (point) => ({
        x: across(point.at),
        y: point.first_byte_ms[at] === null ? null : place(point.first_byte_ms[at]),
      })),
    })),
    readings: asked.map((point) => ({
      x: across(point.at),
      text: `${moment(point.at)}: ${QUANTILES.map((name, at) => `${name} ${duration(point.first_byte_ms[at])}`).join(", ")}`,
    })),
    empty: last ? "" : "No video was asked for yet",
    note: last
      ? `To the first byte of a video, in the ${step} seconds until ${moment(last.at)}.`
      : "To the first byte of a video.",
    spoken: last ? `the last hour, at most ${duration(top)}; last ${speak(legend)}` : "no video was asked for yet",
    heads: ["Until", ...QUANTILES.map((name) => `highest ${name}`)],
    rows: group(asked, end, coarse).map(({ until, members }) => [
      minute(until),
      ...QUANTILES.map((_, at) => duration(Math.max(...members.map((point) => point.first_byte_ms[at])))),
    ]),
  };
}

function readEdge(points, { end, across, coarse, times }, { edge_ratio: ratio, mean_bytes: mean }) {
  const bins = group(points, end, coarse).map(({ from, until, members }) => {
    const plays = sum(members, "plays");
    const ours = sum(members, "video_bytes");
    return { from, until, plays, ours, share: plays && mean ? Math.max(1 - ours / (plays * mean), 0) : null };
  });
  const told = bins.filter(({ share }) => share !== null);
  const known = ratio !== null;
  const played = bins.some(({ plays }) => plays);
  const why = played ? UNTOLD : `Estimated from plays and from what is sent from here. ${PLAYS}`;
  return {
    id: "edge",
    title: "Edge hit ratio",
    figure: known ? percent(ratio, 1) : UNKNOWN,
    meaning: played ? "of the plays’ bytes came from an edge" : "cannot be told without plays",
    legend: [{ mark: "bar", name: coarse > MINUTE ? `in each ${coarse / MINUTE} minutes` : "in each minute", value: "" }],
    scale: shares(1),
    times,
    bars: told.map(({ from, until, share }) => ({ mark: 1, x: across(from), width: across(until) - across(from), y: share })),
    readings: told.map(({ from, until, plays, share }) => ({
      x: (across(from) + across(until)) / 2,
      text: `Until ${minute(until)}: ${percent(share, 1)}, ${counted(plays, "play")}`,
    })),
    empty: told.length ? "" : played ? "Not known now" : "No plays in the last hour",
    note: known
      ? `Estimated: a play takes its clip once, ${bytes(mean)} on average; what was not sent from here, an edge sent, or the player had kept it.`
      : why,
    spoken: known ? `estimated ${percent(ratio, 1)} in the last hour` : played ? "not known now" : "cannot be told without plays",
    heads: ["Until", "plays", "sent by us", "by an edge"],
    rows: bins
      .filter(({ plays, ours }) => plays || ours)
      .map(({ until, plays, ours, share }) => [minute(until), number(plays), bytes(ours), share === null ? UNKNOWN : percent(share, 1)]),
  };
}

function readErrors(points, { end, across, fine, coarse, times }) {
  const kinds = [["4xx", "client_errors"], ["5xx", "server_errors"]];
  const requests = sum(points, "requests");
  const bins = group(points, end, fine).map(({ from, until, members }) => {
    const all = sum(members, "requests");
    const count = kinds.map(([, key]) => sum(members, key));
    return { at: until, x: (across(from) + across(until)) / 2, all, count, shares: count.map((each) => (all ? each / all : null)) };
  });
  const top = Math.min(nice(Math.max(...bins.flatMap((bin) => bin.shares), 0), 0.01), 1);
  const legend = kinds.map(([name, key], at) => {
    const count = sum(points, key);
    return { mark: at ? 3 : 2, name, value: requests ? `${percent(count, requests)} (${number(count)})` : UNKNOWN };
  });
  return {
    id: "errors",
    title: "Error rate",
    figure: requests ? percent(sum(points, "server_errors"), requests) : UNKNOWN,
    meaning: requests ? `of ${counted(requests, "request")} failed (5xx)` : "no requests yet",
    legend,
    scale: shares(top),
    times,
    lines: kinds.map((_, kind) => ({
      mark: kind ? 3 : 2,
      runs: findRuns(bins, 1.5 * fine, ({ x, shares }) => ({
        x,
        y: shares[kind] === null ? null : shares[kind] / top,
      })),
    })),
    readings: bins
      .filter(({ all }) => all)
      .map(({ at, x, all, count }) => ({
        x,
        text: `Until ${moment(at)}: 4xx ${number(count[0])}, 5xx ${number(count[1])} of ${number(all)}`,
      })),
    empty: requests ? "" : "No requests yet",
    note: "Of all requests in the last hour, this page’s too. 4xx: the asker was wrong; 5xx: the server or its database.",
    spoken: requests ? `the last hour, of ${counted(requests, "request")}: ${speak(legend)}` : "no requests yet",
    heads: ["Until", "requests", ...kinds.map(([name]) => name)],
    rows: group(points, end, coarse).map(({ until, members }) => [
      minute(until),
      number(sum(members, "requests")),
      ...kinds.map(([, key]) => number(sum(members, key))),
    ]),
  };
}

/* --- four weeks ---------------------------------------------------------- */

function readSize({ days, table_bytes: table }) {
  const now = days.at(-1)?.video_bytes ?? null;
  const top = nice(Math.max(...days.map((day) => day.video_bytes), 0), 1e6);
  const known = table !== null;
  return {
    id: "size",
    title: "Table size",
    figure: known ? bytes(table) : UNKNOWN,
    meaning: "on disk, with indexes",
    legend: [{ mark: 1, name: "videos in it", value: now === null ? UNKNOWN : bytes(now) }],
    scale: [0, 0.5, 1].map((at) => ({ at, text: at ? bytes(at * top) : "0" })),
    times: tellDays(days),
    area: true,
    lines: [{ mark: 1, runs: days.length ? [days.map((day, at) => ({ x: at / (days.length - 1 || 1), y: day.video_bytes / top }))] : [] }],
    readings: days.map((day, at) => ({ x: at / (days.length - 1 || 1), text: `${date(day)}: ${bytes(day.video_bytes)}` })),
    empty: days.length ? "" : "Not known now",
    note: days.length ? "The clips of today by the day they came; what was deleted is not in it." : UNTOLD,
    spoken: days.length ? `${known ? `${bytes(table)} on disk; ` : ""}videos ${bytes(days[0].video_bytes)} 28 days ago, ${bytes(now)} today` : "not known now",
    heads: ["Day", "videos"],
    rows: days.map((day) => [date(day), bytes(day.video_bytes)]),
  };
}

function readPlays(days) {
  const started = sum(days, "started");
  const completed = sum(days, "completed");
  const top = nice(Math.max(...days.flatMap((day) => [day.started, day.completed]), 0), 2);
  const today = days.at(-1);
  const width = 1 / (days.length || 1);
  const bar = (mark, key) => days.map((day, at) => ({ mark, x: at * width, width, y: day[key] / top })).filter(({ y }) => y);
  const known = days.length > 0;
  return {
    id: "plays",
    title: "Engagement",
    figure: started ? percent(completed, started) : UNKNOWN,
    meaning: `of ${started ? counted(started, "play") : "plays"} went to the end`,
    legend: [
      { mark: "wide", name: "plays today", value: known ? number(today.started) : UNKNOWN },
      { mark: "slim", name: "to the end", value: known ? number(today.completed) : UNKNOWN },
    ],
    scale: [0, 0.5, 1].map((at) => ({ at, text: number(at * top) })),
    times: tellDays(days),
    bars: [...bar("wide", "started"), ...bar("slim", "completed")],
    readings: days.map((day, at) => ({
      x: (at + 0.5) * width,
      text: `${date(day)}: ${counted(day.started, "play")}, ${number(day.completed)} to the end`,
    })),
    empty: started ? "" : known ? "No plays in 28 days" : "Not known now",
    note: known ? `Four weeks, by days in UTC. ${PLAYS}` : UNTOLD,
    spoken: known ? `${counted(started, "play")} in 28 days, ${number(completed)} to the end; today ${number(today.started)} and ${number(today.completed)}` : "not known now",
    heads: ["Day", "plays", "to the end"],
    rows: days.map((day) => [date(day), number(day.started), number(day.completed)]),
  };
}

function tellDays(days) {
  return days.length ? [date(days[0]), date(days[days.length >> 1]), "today"] : ["28 days ago", "", "today"];
}

/* --- axes and words ------------------------------------------------------ */

/* Return places without a gap in a list of their own; what has no y is a gap. */
function findRuns(list, longest, place) {
  const runs = [];
  let before = -Infinity;
  for (const each of list) {
    const { x, y } = place(each);
    if (y === null) continue;
    if (each.at - before > longest) runs.push([]);
    runs.at(-1).push({ x, y });
    before = each.at;
  }
  return runs;
}

/* Return the points by spans of the clock, oldest first; the last span goes to the end. */
function group(points, end, length) {
  const groups = new Map();
  for (const point of points) {
    const from = (Math.ceil(point.at / length) - 1) * length;
    if (!groups.has(from)) groups.set(from, []);
    groups.get(from).push(point);
  }
  return [...groups].map(([from, members]) => ({ from, until: Math.min(from + length, end), members }));
}

/* Return the least of 1, 2, 4, 6 and 8 times a power of ten that has room for a value. */
function nice(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted) + 1e-9);
  return power * [1, 2, 4, 6, 8, 10].find((each) => power * each >= wanted * (1 - 1e-9));
}

function decades(top) {
  const scale = [FASTEST_MS, 1, 10];
  while (scale.at(-1) < Math.min(top, SLOWEST_MS)) scale.push(10 * scale.at(-1));
  return scale;
}

const shares = (top) => [0, 0.5, 1].map((at) => ({ at, text: at ? `${Number((100 * at * top).toPrecision(3))} %` : "0" }));
const tick = (ms) => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);
const speak = (legend) => legend.map(({ name, value }) => `${name} ${value}`).join(", ");

export function duration(ms) {
  if (ms <= FASTEST_MS) return "under 0.1 ms";
  if (ms >= SLOWEST_MS) return "30 s or more";
  const [value, unit] = ms < 999.5 ? [ms, "ms"] : [ms / 1000, "s"];
  return `${value < 9.95 ? Number(value.toPrecision(2)) : Math.round(value)} ${unit}`;
}
