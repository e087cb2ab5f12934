"""The edit list of a track: which parts of its media are shown when. No I/O.

Source: ISO/IEC 14496-12, 8.6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.chunks import read_table

if TYPE_CHECKING:
    from server.library.mp4.boxes import Tree

_NORMAL = 1 << 16  # speed
MOST_EDITS = 100
"""With more of them a list is noise, and what it would show is not looked at."""

_PARTS = {0: 3, 1: 5}  # numbers of four bytes in an entry, by version


class Edit(NamedTuple):
    """One entry; duration is in units of the movie, start in those of the media."""

    duration: int
    start: int  # -1: nothing is shown
    rate: int


class Shown(NamedTuple):
    """What an edit list makes of a track; times are in seconds."""

    seconds: float  # from the start of the movie until its end
    delay: float  # how much later than the movie it starts
    cut: float  # how much of its start is not shown
    has_more_edits: bool  # than one that shows all at normal speed
    is_empty: bool  # nothing of the media is shown
    edits: int  # how many there are


def read_edits(box: Tree | None) -> list[Edit]:
    """Return the entries; MalformedError for a table that ends early."""
    if box is None:
        return []
    version = box.number(0, 1)
    columns = read_table(box, _PARTS.get(version, 3))
    if version != 1:
        durations, starts, rates = columns
        width = 4
        rows = zip(durations, starts, rates, strict=True)
    else:
        width = 8
        rows = zip(
            (high << 32 | low for high, low in zip(*columns[:2], strict=True)),
            (high << 32 | low for high, low in zip(*columns[2:4], strict=True)),
            columns[4],
            strict=True,
        )
    return [Edit(long, _sign(start, width), rate) for long, start, rate in rows]


def _sign(number: int, width: int) -> int:
    return number - (number >> (8 * width - 1) << 8 * width)


def apply_edits(
    edits: list[Edit], *, length: int, first: int, timescale: int, movie_timescale: int
) -> Shown:
    """Return what is shown of media of a length whose first picture is at first."""
    shown = [edit for edit in edits if edit.start >= 0]
    if not edits or len(edits) > MOST_EDITS:
        return Shown(length / timescale, 0, 0, False, False, len(edits))
    delay = 0
    for edit in edits:
        if edit.start >= 0:
            break
        delay += edit.duration
    # No player shows an edit of no length, but for those of fragments (8.6.6.3).
    is_empty = length > 0 and not any(
        edit.duration and edit.start < length + first for edit in shown
    )
    if is_empty:  # all is shown once that is mended
        return Shown(length / timescale, 0, 0, False, True, len(edits))
    begun = shown[0].start if shown else first  # all may be empty, as the media are
    seconds = 0.0
    for edit in edits:
        seconds += _measure(edit, length + first, timescale, movie_timescale)
    return Shown(
        seconds,
        delay / movie_timescale,
        max(begun - first, 0) / timescale,
        len(shown) > 1 or any(edit.rate != _NORMAL for edit in edits),
        False,
        len(edits),
    )


def _measure(edit: Edit, end: int, timescale: int, movie_timescale: int) -> float:
    """Return how long an edit lasts, at most until the media end."""
    told = edit.duration / movie_timescale
    if edit.start < 0:
        return told
    there = max(end - edit.start, 0) / timescale
    return min(told, there) if edit.duration else there
