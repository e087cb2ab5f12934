"""The head of a fragment: moof, and the start of mdat. No I/O.

Source: ISO/IEC 14496-12, 8.8. The media data that follow are all runs of the fragment's
samples, of all tracks, in the order of the file.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from itertools import chain, pairwise
from operator import sub
from typing import TYPE_CHECKING, NamedTuple

from server.hls.boxes import wrap, wrap_full

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.mp4.streams import Stream

# Flags of tfhd (8.8.7) and trun (8.8.8).
_BASE_IS_MOOF, _ENTRY, _DURATION, _FLAGS = 0x020000, 0x02, 0x08, 0x20
_OFFSET, _FIRST_FLAGS, _DURATIONS, _SIZES, _SHIFTS = 0x1, 0x4, 0x100, 0x200, 0x800
_KEY, _NO_KEY = 0x02000000, 0x01010000  # sample flags (8.8.3.1)
_MOOF_BYTES, _TRAF_BYTES, _RUN_BYTES = 8 + 16, 8 + 20 + 20, 20
_MDAT_BYTES = 8


class Part(NamedTuple):
    """What a fragment has of a track: its samples from first to before after."""

    number: int  # of the track, from 1
    stream: Stream
    first: int
    after: int

    @property
    def entry(self) -> int:
        """Return the number of the sample entry of all its samples."""
        return max(each for each in self.stream.entries if each[0] <= self.first)[1]

    @property
    def is_even(self) -> bool:
        """Report whether all samples last as long as each other."""
        return self.stream.times.is_even(self.first, self.after)

    @property
    def keys(self) -> Sequence[int]:
        """Return the key frames that are to be marked."""
        keys = self.stream.keys
        if not self.stream.has_marks:
            return ()
        return keys[bisect_left(keys, self.first) : bisect_left(keys, self.after)]

    @property
    def runs(self) -> array[int]:
        """Return with which samples runs begin, but for the first."""
        runs = self.stream.runs
        return runs[bisect_right(runs, self.first) : bisect_left(runs, self.after)]


def measure_head(parts: Sequence[Part]) -> int:
    """Return how many bytes render_head will return."""
    return _MOOF_BYTES + _MDAT_BYTES + sum(map(_measure_traf, parts))


def _measure_traf(part: Part) -> int:
    if part.first == part.after:
        return 0
    keys, is_even, shifts = part.keys, part.is_even, part.stream.shifts
    columns = 1 + (not is_even) + bool(shifts)
    runs = len({part.first, *part.runs, *keys})
    fields = 4 * (is_even + (part.entry != 1))
    samples = part.after - part.first
    return (
        _TRAF_BYTES + fields + runs * _RUN_BYTES + 4 * (len(keys) + columns * samples)
    )


def render_head(sequence: int, parts: Sequence[Part], size: int) -> bytes:
    """Return the head of a fragment; size is what measure_head says."""
    parts = [part for part in parts if part.first < part.after]
    runs = [_list_runs(part) for part in parts]
    places, payload = _place(parts, runs)
    trafs = [
        _render_traf(part, each, [size + at for at in offsets])
        for part, each, offsets in zip(parts, runs, places, strict=True)
    ]
    moof = wrap("moof", wrap_full("mfhd", 0, struct.pack(">I", sequence)), *trafs)
    head = moof + struct.pack(">I4s", _MDAT_BYTES + payload, b"mdat")
    if len(head) != size:
        raise AssertionError(f"the head of fragment {sequence} has {len(head)} bytes")
    return head


def _list_runs(part: Part) -> list[int]:
    """Return with which samples runs begin, one at each key frame, and the end."""
    return [*sorted({part.first, *part.runs, *part.keys}), part.after]


def _place(
    parts: Sequence[Part], runs: Sequence[Sequence[int]]
) -> tuple[list[list[int]], int]:
    """Return where in the media data each run of each part begins, and their length."""
    found = []
    for number, (part, each) in enumerate(zip(parts, runs, strict=True)):
        place, upto = part.stream.place, part.stream.upto
        for run, (first, after) in enumerate(pairwise(each)):
            found.append((place(first), upto[after] - upto[first], number, run))
    places = [[0] * (len(each) - 1) for each in runs]
    at = 0
    for _, length, number, run in sorted(found):
        places[number][run] = at
        at += length
    return places, at


def _render_traf(part: Part, runs: Sequence[int], offsets: Sequence[int]) -> bytes:
    """Return what moof says of a track; offsets are counted from the start of moof."""
    stream, keys = part.stream, set(part.keys)
    columns = _list_columns(part)
    rows = array("I", chain.from_iterable(zip(*columns.values(), strict=True)))
    if sys.byteorder == "little":
        rows.byteswap()
    data, width = rows.tobytes(), 4 * len(columns)
    flags = _OFFSET | sum(columns)
    truns = []
    for (first, after), offset in zip(pairwise(runs), offsets, strict=True):
        is_key = first in keys
        table = data[(first - part.first) * width : (after - part.first) * width]
        fields = struct.pack(
            ">I4sIII",
            _RUN_BYTES + 4 * is_key + len(table),
            b"trun",
            1 << 24 | flags | (_FIRST_FLAGS if is_key else 0),
            after - first,
            offset,
        )
        truns += [fields, _KEY.to_bytes(4, "big") if is_key else b"", table]
    time = struct.pack(">Q", stream.times.at(part.first) + stream.delay)
    return wrap(
        "traf", _render_defaults(part), wrap_full("tfdt", 0, time, version=1), *truns
    )


def _list_columns(part: Part) -> dict[int, Sequence[int]]:
    """Return what is told of each sample, by the flags of trun, in their order."""
    stream, first, after = part.stream, part.first, part.after
    columns: dict[int, Sequence[int]] = {}
    if not part.is_even:
        columns[_DURATIONS] = list(map(stream.times.last, range(first, after)))
    sizes = map(sub, stream.upto[first + 1 : after + 1], stream.upto[first:after])
    columns[_SIZES] = list(sizes)
    if stream.shifts:
        columns[_SHIFTS] = stream.shifts[first:after]
    return columns


def _render_defaults(part: Part) -> bytes:
    """Return what is true of all samples (tfhd)."""
    flags, fields = _BASE_IS_MOOF | _FLAGS, [part.number]
    if part.entry != 1:
        flags |= _ENTRY
        fields.append(part.entry)
    if part.is_even:
        flags |= _DURATION
        fields.append(part.stream.times.last(part.first))
    fields.append(_NO_KEY if part.stream.has_marks else _KEY)
    return wrap_full("tfhd", flags, *(field.to_bytes(4, "big") for field in fields))
