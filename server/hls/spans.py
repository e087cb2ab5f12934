"""Which bytes of the row a fragment consists of. No I/O."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import islice
from operator import add, gt, sub
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.mp4.streams import Stream


class Spans(NamedTuple):
    """Spans of the row, for each fragment in the order of the file."""

    starts: array[int]
    stops: array[int]
    rows: array[int]  # with which of them each fragment begins, and how many there are

    def list_spans(self, fragment: int) -> list[range]:
        """Return the spans of a fragment; together they are its media data."""
        first, after = self.rows[fragment], self.rows[fragment + 1]
        return list(map(range, self.starts[first:after], self.stops[first:after]))

    def count_before(self, fragment: int, place: int) -> int:
        """Return how many bytes of a fragment lie before a place of the row in it."""
        first, after = self.rows[fragment], self.rows[fragment + 1]
        span = bisect_right(self.starts, place, first, after) - 1
        passed = sum(self.stops[first:span]) - sum(self.starts[first:span])
        return passed + place - self.starts[span]

    @property
    def weight(self) -> int:
        """Return the bytes of all arrays."""
        return sum(len(each) * each.itemsize for each in self)


def find_spans(
    streams: Sequence[Stream], borders: Sequence[Sequence[int]], payloads: Sequence[int]
) -> Spans:
    """Return the spans of all fragments; payloads are how many bytes each has.

    Unfit where samples lie over one another.
    """
    ends = [_list_ends(stream) for stream in streams]
    found = Spans(array("I"), array("I"), array("I", [0]))
    for fragment, payload in enumerate(payloads):
        starts, stops = set[int](), set[int]()
        for stream, after_runs, each in zip(streams, ends, borders, strict=True):
            first, after = each[fragment], each[fragment + 1]
            if first < after:
                _add_runs(stream, after_runs, first, after, starts, stops)
        # Where one run ends and another begins, the file goes on.
        begin, end = sorted(starts - stops), sorted(stops - starts)
        is_whole = len(begin) == len(end) and sum(end) - sum(begin) == payload
        if not is_whole or any(map(gt, end, islice(begin, 1, None))):
            raise Unfit("hls-malformed", "has samples that lie over one another", "fix")
        found.starts.extend(begin)
        found.stops.extend(end)
        found.rows.append(len(found.starts))
    return found


def _list_ends(stream: Stream) -> array[int]:
    """Return where each run ends in the file."""
    before = list(map(stream.upto.__getitem__, stream.runs))
    return array("I", map(add, stream.offsets, map(sub, before[1:], before)))


def _add_runs(
    stream: Stream,
    ends: array[int],
    first: int,
    after: int,
    starts: set[int],
    stops: set[int],
) -> None:
    """Add where the runs of these samples begin and end in the file."""
    run, last = (
        bisect_right(stream.runs, first) - 1,
        bisect_left(stream.runs, after) - 1,
    )
    new_starts = [stream.place(first), *stream.offsets[run + 1 : last + 1]]
    new_stops = [*ends[run:last], stream.place(after - 1)]
    new_stops[-1] += stream.upto[after] - stream.upto[after - 1]
    if 0 in map(sub, new_stops, new_starts):  # runs of empty samples
        filled = [
            pair
            for pair in zip(new_starts, new_stops, strict=True)
            if pair[0] < pair[1]
        ]
        new_starts, new_stops = [a for a, _ in filled], [b for _, b in filled]
    starts.update(new_starts)
    stops.update(new_stops)
