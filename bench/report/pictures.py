"""SVG pictures by matplotlib, which is imported only here and only when one is drawn.

Text and axes take the page's own colours, so a picture reads in light and in dark.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INK = "#010203"  # becomes the page's text colour
PAPER = "#040506"  # and its background
COLORS = (
    "#2f7ed8",
    "#e07b1f",
    "#2e9e62",
    "#c4504f",
    "#8d6fd1",
    "#a07d3c",
    "#cf62a8",
    "#6f8791",
    "#98992b",
    "#2aa5b5",
)
MARKS = "osD^vPX*<>"
WIDTH = 5.2  # inches
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


class Line(NamedTuple):
    """Points that belong together."""

    name: str
    points: list[tuple[float, float]]
    of: str = ""  # whose colour it has, if not its own
    dashed: bool = False


class Bar(NamedTuple):
    """A length made of parts (of one without a name), and what the rounds reached."""

    name: str
    parts: dict[str, float]
    ends: tuple[float, float] | None = None


def find_colors(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, the same in every picture of a page."""
    return {name: COLORS[n % len(COLORS)] for n, name in enumerate(names)}


def draw_lines(
    title: str,
    labels: tuple[str, str],
    lines: Sequence[Line],
    colors: Mapping[str, str],
    *,
    stairs: bool = False,
) -> str:
    """Return a picture of lines over two logarithmic axes."""
    figure, axes = open_figure(title, 3.4)
    for number, line in enumerate(lines):
        across, up = zip(*line.points, strict=True)
        axes.plot(
            across,
            up,
            color=colors[line.of or line.name],
            label=line.name,
            linewidth=1.8,
            marker="" if stairs else MARKS[number % len(MARKS)],
            markersize=5,
            drawstyle="steps-post" if stairs else "default",
            linestyle="--" if line.dashed else "-",
        )
    axes.set(xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
    name_ticks(axes.xaxis)
    name_ticks(axes.yaxis)
    add_legend(figure, [line.name for line in lines], len(lines) > 1)
    return render_svg(figure, title)


def draw_bars(
    title: str, label: str, bars: Sequence[Bar], colors: Mapping[str, str]
) -> str:
    """Return a picture of bars that begin at 0; parts stand one behind the other."""
    figure, axes = open_figure(title, 0.9 + 0.36 * len(bars))
    parts: set[str] = set()
    for place, bar in enumerate(bars):
        left = 0.0
        for part, length in bar.parts.items():
            color = colors[part or bar.name]
            named = "_" if part in parts else part  # matplotlib leaves _ out
            axes.barh(place, length, 0.7, left, color=color, label=named)
            parts.add(part)
            left += length
        if bar.ends is not None:
            axes.plot(bar.ends, (place, place), color=INK, linewidth=1.5)
    axes.set(xlabel=label, yticks=range(len(bars)))
    axes.set_yticklabels([bar.name for bar in bars])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(find_module("matplotlib.ticker").MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, place: name_number(value))
    add_legend(figure, list(parts), parts != {""})
    return render_svg(figure, title)


def find_module(name: str) -> Any:
    """Return a module of matplotlib. Raises Fault where it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise Fault(
            f"the pictures need matplotlib ({error}): pip install -e '.[bench]';"
            " table and JSON come without it"
        ) from error


def open_figure(title: str, height: float) -> tuple[Any, Any]:
    """Return a figure and its axes, in our style."""
    with find_module("matplotlib").rc_context(STYLE):
        figure = find_module("matplotlib.figure").Figure(
            (WIDTH, height), layout="constrained", facecolor="none"
        )
        axes = figure.add_subplot(facecolor="none")
        axes.set_title(title, loc="left")
    return figure, axes


def name_ticks(axis: Any) -> None:
    """Write 1,000 and 0.01 instead of powers; one label a decade, or few at least."""
    ticker = find_module("matplotlib.ticker")
    axis.set_major_formatter(lambda value, place: name_number(value))
    low, high = sorted(axis.get_view_interval())
    if low > 0 and high / low < 30:
        axis.set_major_locator(ticker.LogLocator(10, (1, 2, 5)))
    axis.set_minor_formatter(ticker.NullFormatter())


def name_number(value: float) -> str:
    """Return the number as short as it can be read."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def add_legend(figure: Any, names: Sequence[str], wanted: bool) -> None:
    """Name the lines below the picture."""
    if wanted:
        columns = 3 if max(map(len, names)) < 16 else 2
        with find_module("matplotlib").rc_context(STYLE):
            figure.legend(loc="outside lower center", ncols=columns)


def render_svg(figure: Any, title: str) -> str:
    """Return the picture as an element of a page, as wide as its place."""
    text = StringIO()
    # What pictures name inside themselves must differ on one page.
    with find_module("matplotlib").rc_context(STYLE | {"svg.hashsalt": title}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[A-Za-z0-9._]+_\d+"', "", svg)
    svg = re.sub(r"font-family: [^;]*", "font-family: inherit", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*"', r'\1width="100%"', svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return svg.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
