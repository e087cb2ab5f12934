"""Rows as tables that a person reads. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from server.library.files import show_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, object]

MOST_ROWS = 20
UNKNOWN = "–"  # what the database cannot tell
_EMPTY = "“”"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def render_rows(rows: Sequence[Row], most: int = MOST_ROWS) -> list[str]:
    """Return lines: the names of the columns, the first rows, and how many follow.

    All rows have the columns of the first, which there has to be.
    """
    names = list(rows[0])
    cells = [names, *([show(name, row[name]) for name in names] for row in rows[:most])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [isinstance(value, int | float) for value in rows[0].values()]
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in cells
    ]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most:,} more (all with --json)")
    return lines


class Column(NamedTuple):
    """A column of a table that is printed in parts; the last one may be wider."""

    width: int  # characters
    is_number: bool = False  # to the right


def render_table(
    rows: Sequence[Row], columns: Mapping[str, Column], *, is_cut: bool
) -> list[str]:
    """Return a line for each row: these columns of it, all parts of a table alike.

    is_cut ends with … what is wider than its column, but not in the last one.
    """
    lines = []
    *_, last = columns
    for row in rows:
        cells = []
        for name, (width, is_number) in columns.items():
            cell = show(name, row[name])
            if is_cut and len(cell) > width and name != last and not is_number:
                cell = f"{cell[: width - 1]}…"
            cells.append(cell.rjust(width) if is_number else cell.ljust(width))
        lines.append("  ".join(cells).rstrip())
    return lines


def render_head(columns: Mapping[str, Column]) -> str:
    """Return the line of a table's names of columns."""
    cells = (
        name.rjust(width) if is_number else name.ljust(width)
        for name, (width, is_number) in columns.items()
    )
    return "  ".join(cells).rstrip()


def count_noun(number: int, noun: str) -> str:
    """Return so many of what a noun in the singular names."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show(name: str, value: object) -> str:
    """Return a value for a person; the name of its column tells the unit."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int) and name.endswith("bytes"):
        return show_bytes(value)
    if isinstance(value, int):
        return f"{value:,}" if name != "id" else str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, list):
        return ", ".join(show_text(str(each)) or _EMPTY for each in value)
    return show_text(str(value)) or _EMPTY


# pages/numbers.js has this rule too; tests/pages/test_shared_rules.py compares them.
def show_bytes(count: int) -> str:
    """Return a number of bytes with at most three digits; a kB is 1000 bytes."""
    step = 10 ** max(len(str(count)) - 3, 0)
    rounded = (2 * count + step) // (2 * step) * step
    power = (len(str(rounded)) - 1) // 3
    return f"{rounded / 1000**power:g} {_UNITS[power]}"
