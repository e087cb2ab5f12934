"""The pictures of a run: rates, latencies, costs, and throughput over size."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bench.report.pictures import COLORS, Bar, Line, draw_bars, draw_lines
from bench.results import measured_rate, merge, middle, summarize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.results import Row, Run

SIZED = ("ranges", "whole")  # scenarios that differ in nothing but size


def draw_scenario(
    scenario: str, rows: Sequence[Row], colors: Mapping[str, str]
) -> Iterable[str]:
    """Yield rates, latencies and costs."""
    unit = rows[0].unit
    bars = []
    for row in rows:
        rates = [measured_rate(one, unit) for one in row.rounds]
        found = summarize(row)
        rate = found.requests if unit == "requests/s" else found.mib
        bars.append(Bar(row.path, {"": rate}, (min(rates), max(rates))))
    yield draw_bars(
        f"{scenario}: {unit}", f"{unit}; the line: all rounds", bars, colors
    )
    lines = [Line(row.path, list_survivors(row)) for row in rows]
    known = [line for line in lines if line.points]
    if known:
        labels = "milliseconds", "part of requests that took longer"
        yield draw_lines(f"{scenario}: latency", labels, known, colors, stairs=True)
    costs = [Bar(row.path, list_costs(row)) for row in rows]
    if any(bar.parts for bar in costs):
        label = "CPU seconds a GiB"
        parts = dict(zip(("server", "PostgreSQL", "nginx"), COLORS[4:], strict=False))
        yield draw_bars(f"{scenario}: cost", label, costs, parts)


def list_survivors(row: Row) -> list[tuple[float, float]]:
    """Return (milliseconds, part of all that took longer), down to one request."""
    histogram = merge(row.rounds)
    left = total = sum(histogram.values())
    points = []
    for place in sorted(histogram):
        points.append((1000 * middle(place), left / total))
        left -= histogram[place]
    return points


def list_costs(row: Row) -> dict[str, float]:
    """Return CPU seconds a GiB of each process tree that is known."""
    found = summarize(row)
    costs = (found.server_cpu, found.database_cpu, found.edge_cpu)
    pairs = zip(("server", "PostgreSQL", "nginx"), costs, strict=True)
    return {name: cost for name, cost in pairs if cost is not None}


def draw_sizes(run: Run, colors: Mapping[str, str]) -> str:
    """Return a picture of MiB/s over the size of an answer; '' of less than two."""
    alike = [row for row in run.rows if row.scenario.startswith(SIZED)]
    alike.sort(key=lambda row: row.path)
    lines = []
    for path, rows in groupby(alike, lambda row: row.path):
        points = {}
        for row in rows:
            requests = sum(one.requests for one in row.rounds)
            size = sum(one.bytes for one in row.rounds)
            if requests and size:
                points[size / requests / 1024] = summarize(row).mib
        if len(points) > 1:
            lines.append(Line(path, sorted(points.items())))
    labels = "KiB of an answer", "MiB/s"
    title = "Throughput and size of an answer"
    return draw_lines(title, labels, lines, colors) if lines else ""
