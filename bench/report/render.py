"""A run as a table for the terminal, as one for Markdown, and as a page of its own."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from bench.report.charts import draw_scenario, draw_sizes
from bench.report.pictures import find_colors, name_number
from bench.results import (
    MIB,
    QUANTILES,
    Ratio,
    Row,
    Run,
    find_base,
    find_ratio,
    summarize,
)
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = Template(Path(__file__).with_name("page.html").read_text("utf-8"))
BUSY = 0.9  # a load generator above this share of its core was perhaps the limit
WIDTHS = (17, 10, 6, 10, 7, 7, 7, 7, 8, 7, 7, 7, 8, 7, 5)
HEADS = (
    *("path", "rate", "±", "÷ origin", "p50", "p90", "p95", "p99", "max"),
    *("server", "PG", "nginx", "memory", "origin", "load"),
)
GROUPS = ((0, "{}"), (4, "latency, ms"), (9, "CPU s/GiB"), (12, "peak"), (13, "asked"))
READING = (
    "Rates are medians of the rounds; ± is half the distance of best and worst round."
    " ÷ origin is paired by round; ≈ says that it may as well be 1 (95 %),"
    " ? that one round can't tell."
    " Latencies are of all rounds together, from the due time where units come due."
    " CPU is of the server, of PostgreSQL and of the nginx in front, a GiB delivered."
    " Memory is the largest sum of the server's processes, MiB. Asked: what reached"
    " the origin. Load is the generator's share of its core;"
    " near 100 % it was the limit (!)."
)


def render_table(run: Run) -> str:
    """Return the tables of all scenarios, at most 120 columns wide."""
    lines = []
    for scenario, rows in group_rows(run):
        unit = rows[0].unit
        lines.append(f"\n{scenario}: {describe_load(rows[0])}")
        heads = dict(GROUPS) | {0: unit}
        lines.append(align([heads.get(n, "") for n in range(len(HEADS))]))
        lines.append(align(HEADS))
        lines.extend(align(list_cells(run, row)) for row in rows)
    lines.extend(f"\n{name} is left out: {why}" for name, why in run.left_out.items())
    lines.extend(f"\n{check}" for check in run.checks)
    return "\n".join(lines).strip("\n")


def group_rows(run: Run) -> Iterable[tuple[str, list[Row]]]:
    """Yield scenarios, in their order, with their rows."""
    names = dict.fromkeys((row.scenario, row.unit) for row in run.rows)
    for name, unit in names:
        yield name, [r for r in run.rows if (r.scenario, r.unit) == (name, unit)]


def describe_load(row: Row) -> str:
    """Return what was counted, and how it arrived."""
    loop = "closed loop" if row.rate is None else f"{row.rate:,.0f} a second come due"
    return f"{row.unit}, {loop}"


def align(cells: Sequence[str]) -> str:
    """Return a line; a head may reach into the empty cells after it."""
    line = f"{cells[0]:{WIDTHS[0]}}"
    end = WIDTHS[0]
    for cell, width in zip(cells[1:], WIDTHS[1:], strict=True):
        end += width
        line += f"{cell:>{max(end - len(line), 0)}}" if cell else ""
    return line.rstrip()


def list_cells(run: Run, row: Row) -> list[str]:
    """Return what HEADS announce."""
    found = summarize(row)
    rate = found.requests if row.unit == "requests/s" else found.mib
    known = [found.latency.get(name) for name in QUANTILES]
    latency = [show(1000 * value if value else None) for value in known]
    return [
        f"{row.path}{' *' if row.peer else ''}",
        name_number(rate),
        "–" if found.spread is None else f"{found.spread:.0%}",
        describe_ratio(run, row),
        *latency,
        *map(show_cost, (found.server_cpu, found.database_cpu, found.edge_cpu)),
        "–" if found.memory is None else f"{found.memory / MIB:,.0f}",
        "–" if found.origin_requests is None else f"{found.origin_requests:,}",
        f"{found.load:.0%}{'!' if found.load > BUSY else ''}",
    ]


def show(value: float | None) -> str:
    """Return three digits, or a dash for what is not known."""
    return "–" if value is None else name_number(value)


def show_cost(seconds: float | None) -> str:
    """Return CPU seconds: hundredths are noise already."""
    return "–" if seconds is None else f"{seconds:,.2f}"


def describe_ratio(run: Run, row: Row, path: str = "origin") -> str:
    """Return how many times the base's rate it is; ≈ within noise, ? of one round."""
    base = find_base(run, row, path)
    if base is None or base is row:
        return "–"
    return render_ratio(find_ratio(row.rounds, base.rounds, row.unit))


def render_ratio(ratio: Ratio) -> str:
    """Return the ratio, and whether it can be told from 1."""
    if math.isnan(ratio.middle):  # no round to compare
        return "–"
    if ratio.high == math.inf:
        return f"{ratio.middle:.2f}?"
    sign = "≈" if ratio.is_noise else ""
    return f"{sign}{ratio.middle:.2f}"


def render_markdown(run: Run) -> str:
    """Return the same as Markdown, fewer columns: for the README."""
    heads = (
        *("scenario", "path", "rate", "÷ origin", "p50 ms", "p99 ms"),
        *("server s/GiB", "PostgreSQL s/GiB", "memory MiB"),
    )
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(heads) - 2)]
    for row in run.rows:
        cells = list_cells(run, row)
        rate = f"{cells[1]} {row.unit} ± {cells[2]}"
        chosen = [cells[n] for n in (3, 4, 7, 9, 10, 12)]
        lines.append(f"| {' | '.join((row.scenario, cells[0], rate, *chosen))} |")
    return "\n".join(lines)


def write_html(run: Run, path: Path) -> None:
    """Write a page that needs nothing else. Raises Fault without matplotlib."""
    colors = find_colors(list(dict.fromkeys(row.path for row in run.rows)))
    sections = [f'<p class="soft">{escape(name_machine(run.about))}</p>']
    sections += [f"<p>{escape(check)}</p>" for check in run.checks]
    overview = draw_sizes(run, colors)
    sections.append(f'<div class="pictures">{overview}</div>' if overview else "")
    sections.append(f'<p class="soft">{escape(READING)}</p>')
    for scenario, rows in group_rows(run):
        sections.append(f"<h2>{escape(scenario)}</h2>")
        sections.append(f'<p class="soft">{escape(describe_load(rows[0]))}</p>')
        sections.append(render_rows(run, rows))
        pictures = "".join(draw_scenario(scenario, rows, colors))
        sections.append(f'<div class="pictures">{pictures}</div>')
    sections.append(render_list("Left out", run.left_out))
    sections.append(render_list("The run", run.about))
    write_page("bytereel: a run of the bench", "\n".join(sections), path)


def write_page(title: str, body: str, path: Path) -> None:
    """Write a page. Raises Fault when that can't be."""
    try:
        path.write_text(PAGE.substitute(title=escape(title), body=body), "utf-8")
    except OSError as error:
        raise Fault(
            f"{path} cannot be written ({error.strerror}): choose another"
        ) from error


def name_machine(about: Mapping[str, object]) -> str:
    """Return the words that belong under every table."""
    parts = [str(about[name]) for name in ("date", "cpu", "platform") if name in about]
    if "cores" in about:
        parts.insert(2, f"{about['cores']} cores")
    if "commit" in about:
        dirty = ", changed" if about.get("dirty") else ""
        parts.append(f"commit {str(about['commit'])[:12]}{dirty}")
    return " · ".join(parts)


def render_rows(run: Run, rows: Sequence[Row]) -> str:
    """Return the table of one scenario."""
    heads = list(HEADS)
    heads[9:12] = ("server s/GiB", "PostgreSQL s/GiB", "nginx s/GiB")
    heads[12:14] = ("memory MiB", "origin asked")
    heads[1] = rows[0].unit
    heads.insert(4, "÷ memory")
    heads.append("server ms/request")
    cells = []
    for row in rows:
        one = list_cells(run, row)
        one.insert(4, describe_ratio(run, row, "memory"))
        cpu = summarize(row).cpu
        one.append(show(cpu and 1000 * cpu))
        cells.append(one)
    return render_grid(heads, cells)


def render_grid(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return an HTML table whose first column stays in sight."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
        + "</tr>"
        for line in lines
    )
    return (
        '<div class="wide" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def render_list(title: str, entries: Mapping[str, object]) -> str:
    """Return names and what is said of each; '' of nothing."""
    if not entries:
        return ""
    items = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(what))}</dd>"
        for name, what in entries.items()
    )
    return f"<h2>{escape(title)}</h2><dl>{items}</dl>"
