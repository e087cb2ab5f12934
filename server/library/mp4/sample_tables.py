"""The sample tables of a track (ISO/IEC 14496-12, 8.6 and 8.7). No I/O.

Counts of up to four billion are computed with, never iterated over; loops are only over
what stands in the file.
"""

from __future__ import annotations

import sys
from array import array
from itertools import accumulate, chain, islice, pairwise, repeat
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_AHEAD = 64  # samples, among which is the one that is shown first


class Samples(NamedTuple):
    """What the tables of a track say; times are in units of its media."""

    total: int
    end: int  # the byte after the last of them
    first_shown: int  # time
    starts_with_key: bool
    longest_gap: int  # between key frames, and from the last one to the end


def read_samples(stbl: Tree) -> Samples:
    """Return what the tables say; MalformedError if they contradict each other."""
    times = _read_table(stbl.find("stts"), 2)
    keys = stbl.find("stss")
    numbers = _read_table(keys, 1)[0] if keys else None
    count, end = _locate(stbl)
    return Samples(
        count,
        end,
        _find_first_shown(times, _read_table(stbl.find("ctts"), 2)),
        numbers is None or 1 in numbers[:1],
        0 if numbers is None else _measure_gap(times, numbers),
    )


def _read_table(
    box: Tree | None, columns: int, *, width: int = 4, skip: int = 4
) -> list[array[int]]:
    """Return the columns of a table that has as many rows as it claims."""
    if box is None:
        return [array("I") for _ in range(columns)]
    rows = box.number(skip, 4)
    body = box.data[skip + 4 :][: rows * columns * width]
    if len(body) < rows * columns * width:
        raise MalformedError(
            f"has a table {box.kind!r} that claims {rows} entries and ends before"
        )
    numbers = array("Q" if width == 8 else "I")
    numbers.frombytes(body)
    if sys.byteorder == "little":
        numbers.byteswap()
    return [numbers[column::columns] for column in range(columns)]


def _locate(stbl: Tree) -> tuple[int, int]:
    """Return how many samples there are, and where the last byte of them ends."""
    sizes_box, near, far = stbl.find("stsz"), stbl.find("stco"), stbl.find("co64")
    if sizes_box is None or (near is None and far is None):
        raise MalformedError("has a track without a table of its samples")
    [offsets] = _read_table(near, 1) if near else _read_table(far, 1, width=8)
    each, count = sizes_box.number(4, 4), sizes_box.number(8, 4)
    firsts, lengths, _ = _read_table(stbl.find("stsc"), 3)
    firsts.append(len(offsets) + 1)
    if any(first >= after for first, after in pairwise(firsts)) or firsts[0] < 1:
        raise MalformedError("has a table 'stsc' that is out of order")
    runs = [after - first for first, after in pairwise(firsts)]
    if sum(map(mul, runs, lengths)) < count:
        raise MalformedError(f"says of {count} samples not where they are")
    spans = chain.from_iterable(map(repeat, lengths, runs))
    if each:
        ends = (
            offset + span * each for offset, span in zip(offsets, spans, strict=False)
        )
        return count, max(ends, default=0) if count else 0
    [sizes] = _read_table(sizes_box, 1, skip=8)
    return count, _find_end(offsets, spans, sizes)


def _find_end(offsets: array[int], spans: Iterator[int], sizes: array[int]) -> int:
    """Return where the last byte ends of the samples that lie in chunks."""
    upto = array("Q", accumulate(sizes, initial=0))
    first = end = 0
    for offset, samples in zip(offsets, spans, strict=False):
        after = min(first + samples, len(sizes))
        if after > first:
            end = max(end, offset + upto[after] - upto[first])
        first = after
    return end


def _find_first_shown(times: list[array[int]], shifts: list[array[int]]) -> int:
    """Return when the first picture is shown, which need not be the first decoded."""
    decoded = accumulate(_spread(times), initial=0)
    shown = [
        moment + shift - (shift >> 31 << 32)  # may be negative
        for moment, shift in zip(decoded, _spread(shifts), strict=False)
    ]
    return min(shown, default=0)


def _spread(runs: list[array[int]]) -> Iterator[int]:
    """Yield the time of each of the first samples."""
    counts, times = runs
    least = (min(count, _LOOK_AHEAD) for count in counts)
    return islice(chain.from_iterable(map(repeat, times, least)), _LOOK_AHEAD)


def _measure_gap(times: list[array[int]], keys: array[int]) -> int:
    """Return the longest time without a key frame."""
    longest = moment = previous = 0
    number, left = 1, iter(keys)
    key = next(left, None)
    for count, time in zip(*times, strict=True):
        while key is not None and key < number + count:
            found = moment + (key - number) * time
            longest, previous = max(longest, found - previous), found
            key = next(left, None)
        number += count
        moment += count * time
    return max(longest, moment - previous)
