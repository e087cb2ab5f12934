"""The samples of a track as they are streamed: where, how large, when. No I/O.

Source: ISO/IEC 14496-12, 8.6 and 8.7. Tables become arrays and stay arrays: a film of
an hour has 280,000 samples, each perhaps in a chunk of its own.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, chain, compress, islice, repeat
from operator import add, lt, mul, ne, sub
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.chunks import Chunks, read_chunks, read_table
from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_SAMPLES = 1_000_000
_MOST_SECONDS = 360_000  # that a track lasts, or waits for its start
_SIGN = 1 << 31
REORDERED = 64
"""Samples among which is the one that is shown last, or first."""


class Times(NamedTuple):
    """When samples are decoded, in units of the media; each row is a run of samples.

    The last row is the end: the number of samples, and how long they last.
    """

    firsts: array[int]  # sample with which a run begins, from 0
    starts: array[int]  # when that is decoded
    deltas: array[int]  # how long each of the run lasts

    def at(self, sample: int) -> int:
        """Return when a sample is decoded; for the number of samples, when all end."""
        row = bisect_right(self.firsts, sample) - 1
        return self.starts[row] + (sample - self.firsts[row]) * self.deltas[row]

    def last(self, sample: int) -> int:
        """Return how long a sample lasts."""
        return self.deltas[bisect_right(self.firsts, sample) - 1]

    def find(self, time: int) -> int:
        """Return the first sample decoded at a time or later, or how many there are."""
        row = bisect_left(self.starts, time)
        if row == len(self.starts):
            return self.firsts[-1]
        if row == 0 or self.starts[row] == time:
            return self.firsts[row]
        wait, delta = time - self.starts[row - 1], self.deltas[row - 1]
        return min(self.firsts[row - 1] - -wait // delta, self.firsts[row])

    def is_even(self, first: int, after: int) -> bool:
        """Report whether samples of one run only lie between two numbers."""
        return self.firsts[bisect_right(self.firsts, first)] >= after


class Stream(NamedTuple):
    """What is sent of a track: its samples from first to before after."""

    handler: str  # vide or soun
    timescale: int  # units a second
    first: int
    after: int
    upto: array[int]  # bytes of all samples before each, and of all
    times: Times
    shifts: array[int]  # of each sample, from when it is decoded to shown; or empty
    keys: Sequence[int]  # samples from 0 on; a range if all are
    runs: array[int]  # samples before which the file has something else; and the end
    offsets: array[int]  # where each run begins in the file
    entries: tuple[tuple[int, int], ...]  # from which sample on which sample entry
    media_time: int  # what is shown first
    delay: int = 0  # by how much all is shown later, in units of the media

    @property
    def has_marks(self) -> bool:
        """Report whether only some samples are key frames."""
        return not isinstance(self.keys, range)

    def show(self, sample: int) -> int:
        """Return when a sample is shown, in units of the media from the start on."""
        shift = self.shifts[sample] if self.shifts else 0
        return self.times.at(sample) + shift - self.media_time + self.delay

    @property
    def end(self) -> int:
        """Return when the last sample to be shown is over, as show() counts."""
        last = range(max(self.after - REORDERED, self.first), self.after)
        return max(self.show(sample) + self.times.last(sample) for sample in last)

    def measure_half(self) -> int:
        """Return half of what a sample lasts, in the mean."""
        return self.times.starts[-1] // (2 * self.times.firsts[-1])

    def place(self, sample: int) -> int:
        """Return where a sample lies in the file."""
        run = bisect_right(self.runs, sample) - 1
        return self.offsets[run] + self.upto[sample] - self.upto[self.runs[run]]

    @property
    def weight(self) -> int:
        """Return the bytes of all arrays."""
        arrays = (self.upto, *self.times, self.shifts, self.runs, self.offsets)
        keys = len(self.keys) * 4 if self.has_marks else 0
        return keys + sum(len(each) * each.itemsize for each in arrays)


def read_stream(stbl: Tree, handler: str, timescale: int, size: int) -> Stream:
    """Return all samples of a track in a file of a size, without any edit.

    MalformedError for tables that make no sense; Unfit for a file cut short.
    """
    count = count_samples(stbl)
    if count > MOST_SAMPLES:
        raise MalformedError(f"has a track of {count} samples, over {MOST_SAMPLES}")
    chunks = read_chunks(stbl)
    if len(chunks.offsets) > MOST_SAMPLES:
        raise MalformedError(f"has a track of {len(chunks.offsets)} chunks")
    upto = _add_sizes(chunks, size)
    firsts = _list_firsts(chunks)
    runs, offsets = _join_chunks(chunks, firsts, upto, size)
    times = _read_times(stbl, count, timescale)
    shifts, earliest = _read_shifts(stbl, count)
    return Stream(
        handler,
        timescale,
        0,
        count,
        upto,
        times,
        shifts,
        _read_keys(stbl, count) if handler == "vide" else range(count),
        runs,
        offsets,
        _list_entries(chunks, firsts),
        -earliest,
    )


def count_samples(stbl: Tree) -> int:
    """Return how many samples the table of sizes counts (8.7.3)."""
    table = stbl.find("stsz") or stbl.find("stz2")
    return table.number(8, 4) if table else 0


def _add_sizes(chunks: Chunks, size: int) -> array[int]:
    """Return how many bytes all samples before each have; the last are those of all."""
    count, each = chunks.samples, chunks.each
    total = each * count if each else sum(chunks.sizes)
    if total > size or total >= 1 << 32:
        reason = f"needs {total} bytes for its samples, and has {size} in all"
        raise Unfit("hls-cut-short", reason)
    if each:
        return array("I", range(0, each * (count + 1), each))
    return array("I", accumulate(chunks.sizes, initial=0))


def _list_firsts(chunks: Chunks) -> array[int]:
    """Return with which sample each chunk begins, and at the end how many there are.

    Chunks in which no sample is left have the same number as the end.
    """
    lengths = chain.from_iterable(map(repeat, chunks.lengths, chunks.runs))
    firsts: Iterator[int] = accumulate(lengths, initial=0)
    if sum(map(mul, chunks.lengths, chunks.runs)) > chunks.samples:
        firsts = map(min, firsts, repeat(chunks.samples))
    return array("I", firsts)


def _join_chunks(
    chunks: Chunks, firsts: array[int], upto: array[int], size: int
) -> tuple[array[int], array[int]]:
    """Return with which samples runs begin, and where these are; a run has no holes.

    Within a run all samples have the same distance from where they would be if the
    file had nothing else.
    """
    starts, offsets = firsts[:-1], chunks.offsets
    if 0 in chunks.lengths or firsts[-2] == chunks.samples:  # chunks without samples
        used = list(map(ne, firsts, islice(firsts, 1, None)))
        starts = array("I", compress(starts, used))
        offsets = array("Q", compress(offsets, used))
    before = list(map(upto.__getitem__, starts))
    lengths = map(sub, [*before[1:], upto[-1]], before)
    end = max(map(add, offsets, lengths), default=0)
    if end > size:
        reason = f"needs {end} bytes, and has {size}"
        raise Unfit("hls-cut-short", reason)
    distances = list(map(sub, offsets, before))
    changes = [True, *map(ne, distances, islice(distances, 1, None))]
    runs = array("I", compress(starts, changes))
    runs.append(chunks.samples)
    return runs, array("I", compress(offsets, changes))


def _read_times(stbl: Tree, count: int, timescale: int) -> Times:
    """Return when samples are decoded (8.6.1.2); the last delta goes on to the end."""
    counts, deltas = read_table(stbl.find("stts"), 2)
    if 0 in counts:
        used = list(counts)
        counts = array("I", compress(counts, used))
        deltas = array("I", compress(deltas, used))
    if not counts or max(deltas) >= _SIGN:
        raise MalformedError("has samples without a time, or with a negative one")
    firsts = array("Q", accumulate(counts, initial=0))
    rows = bisect_left(firsts, count)
    firsts, deltas = firsts[: min(rows, len(counts))], deltas[:rows]
    firsts.append(count)
    lasting = map(mul, map(sub, firsts[1:], firsts), deltas)
    starts = array("Q", accumulate(lasting, initial=0))
    if starts[-1] > _MOST_SECONDS * timescale:
        raise MalformedError(f"lasts {starts[-1] // timescale} seconds (stts)")
    deltas.append(deltas[-1])
    return Times(array("I", firsts), starts, deltas)


def _read_shifts(stbl: Tree, count: int) -> tuple[array[int], int]:
    """Return how much later than decoded each sample is shown, and the least of it.

    Shifts may be negative (8.6.1.3, and QuickTime's); what is returned is not: by the
    least, if that is negative, all are raised.
    """
    counts, values = read_table(stbl.find("ctts"), 2)
    shifts = array("i")
    shifts.frombytes(values.tobytes())
    if not any(shifts):
        return array("i"), 0
    spread = chain.from_iterable(map(repeat, shifts, counts))
    shifts = array("i", islice(spread, count))
    shifts.extend(repeat(0, count - len(shifts)))
    least = min(min(shifts), 0)
    if max(shifts) - least >= _SIGN:
        raise MalformedError("has shifts of time (ctts) beyond measure")
    return (array("i", map(sub, shifts, repeat(least))) if least else shifts), least


def _read_keys(stbl: Tree, count: int) -> Sequence[int]:
    """Return the key frames, from 0 on (8.6.2); a range if all samples are."""
    table = stbl.find("stss")
    if table is None:
        return range(count)
    [numbers] = read_table(table, 1)
    if not all(map(lt, chain((0,), numbers), chain(numbers, (count + 1,)))):
        raise MalformedError("has a table of key frames (stss) that is out of order")
    return array("I", map(sub, numbers, repeat(1)))


def _list_entries(chunks: Chunks, firsts: array[int]) -> tuple[tuple[int, int], ...]:
    """Return from which sample on which sample entry is meant (8.7.4)."""
    found: list[tuple[int, int]] = []
    at = accumulate(chunks.runs, initial=0)
    for chunk, entry in zip(at, chunks.entries, strict=False):
        first = firsts[chunk]
        if first == chunks.samples:
            break
        if found and found[-1][0] == first:
            found.pop()
        if not found or found[-1][1] != entry:
            found.append((first, entry))
    return tuple(found)
