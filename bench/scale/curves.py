"""How cost grows: tables and pictures of a run of `python -m bench scale`."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

from bench.report.pictures import Line, draw_lines, find_colors
from bench.report.render import name_machine, render_grid, show, write_page
from bench.results import MIB, Row, Run, Summary, summarize
from bench.scale.axes import AXES, BOTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.scale.axes import Axis

HEADS = ("rate/s", "MiB/s", "±", "p50 ms", "p99 ms", "server", "PG ms", "MiB")


def render_scale(run: Run) -> str:
    """Return the tables of all axes."""
    lines = []
    for axis in AXES:
        rows = list_rows(run, axis)
        if rows:
            lines.append(f"\n{axis.name}: {axis.question}")
            lines.append(
                f"{axis.label[:26]:>26}{'':8}" + "".join(map(set_right, HEADS))
            )
        for value, row in rows:
            cells = "".join(map(set_right, list_cells(row)))
            lines.append(f"{value:>32,} {row.path:7}{cells}")
    return "\n".join(lines).lstrip()


def set_right(cell: str) -> str:
    """Return the cell in its column."""
    return f"{cell:>9}"


def list_rows(run: Run, axis: Axis) -> list[tuple[int, Row]]:
    """Return an axis's points and rows."""
    named = [(row.scenario.partition(" "), row) for row in run.rows]
    return [(int(name[2]), row) for name, row in named if name[0] == axis.name]


def list_cells(row: Row) -> list[str]:
    """Return what HEADS announce."""
    found = summarize(row)
    latency = [found.latency.get(name) for name in ("p50", "p99")]
    return [
        f"{found.requests:,.0f}",
        f"{found.mib:,.1f}",
        "–" if found.spread is None else f"{found.spread:.0%}",
        *(show(1000 * value if value else None) for value in latency),
        *(show(cost and round(cost, 3)) for cost in find_costs(row, found)),
        "–" if found.memory is None else f"{found.memory / MIB:,.0f}",
    ]


def find_costs(row: Row, found: Summary) -> tuple[float | None, float | None]:
    """Return CPU milliseconds a request of server and PostgreSQL."""
    if found.cpu is None:
        return None, None
    known = [r for r in row.rounds if r.requests and r.database_cpu is not None]
    spent = [1000 * (r.database_cpu or 0) / r.requests for r in known]
    return 1000 * found.cpu, median(spent) if spent else None


def write_scale(run: Run, path: Path) -> None:
    """Write the page. Raises Fault without matplotlib."""
    colors = find_colors(BOTH)
    sections = [f'<p class="soft">{escape(name_machine(run.about))}</p>']
    for axis in AXES:
        rows = list_rows(run, axis)
        if rows:
            pictures = "".join(draw_axis(axis, rows, colors))
            cells = [[f"{value:,}", row.path, *list_cells(row)] for value, row in rows]
            sections.append(f"<h2>{escape(axis.question)}</h2>")
            sections.append(f'<div class="pictures">{pictures}</div>')
            sections.append(render_grid((axis.label, "path", *HEADS), cells))
    write_page("bytereel: how cost grows", "\n".join(sections), path)


def draw_axis(
    axis: Axis, rows: Sequence[tuple[int, Row]], colors: Mapping[str, str]
) -> Iterator[str]:
    """Yield pictures of rate, processor time and latency."""
    for title, parts in PICTURES.items():
        lines = [
            Line(f"{path}{part}", points, path, dashed=part != parts[0])
            for path in BOTH
            for part in parts
            if (points := list_points_of(rows, path, part))
        ]
        yield draw_lines(f"{title} by {axis.label}", (axis.label, title), lines, colors)


def list_points_of(
    rows: Sequence[tuple[int, Row]], path: str, part: str
) -> list[tuple[float, float]]:
    """Return the points of a line; what is not known or 0 has no place on it."""
    found = [
        (value, PARTS[part](row, summarize(row)))
        for value, row in rows
        if row.path == path
    ]
    return [(float(value), y) for value, y in found if y]


PARTS: dict[str, Callable[[Row, Summary], float | None]] = {
    "": lambda row, found: found.requests,
    ", server": lambda row, found: find_costs(row, found)[0],
    ", PostgreSQL": lambda row, found: find_costs(row, found)[1],
    ", p50": lambda row, found: 1000 * found.latency.get("p50", 0),
    ", p99": lambda row, found: 1000 * found.latency.get("p99", 0),
}
PICTURES = {
    "requests a second": ("",),
    "CPU ms a request": (", server", ", PostgreSQL"),
    "latency, ms": (", p50", ", p99"),
}
