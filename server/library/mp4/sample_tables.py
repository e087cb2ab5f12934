"""When the samples of a track are shown, and which are key frames. No I/O.

Source: ISO/IEC 14496-12, 8.6. Counts of up to four billion are computed with, never
iterated over; loops are only over what stands in the file.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, chain, islice, repeat
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

from server.library.mp4.chunks import Chunks, locate, read_chunks, read_table
from server.library.report import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.library.mp4.boxes import Tree

_MOST_SAMPLES = 1_000_000
_HOLLOW_SHARE = 10  # one of so many
BOXES: Final = "boxes"
COPY: Final = "copy"
ENCODING: Final = "encoding"
_STILL = 4  # a picture that lasts for a fourth of a second stands still
_LOOK_AHEAD = 64  # samples, among which is the one that is shown first
_MOST_SECONDS = 60  # that a sample lasts, or waits to be shown
_NEGATIVE = 1 << 31  # a delta is a number without a sign, meant as one with it


class Contradiction(NamedTuple):
    """What tables have wrong; sentence goes on after a file's name."""

    sentence: str
    mended_by: str | None  # boxes, a copy of the samples, or encoding; None: nothing


class Samples(NamedTuple):
    """What the tables of a track say; times are in units of its media."""

    total: int
    start: int  # the first byte of them
    end: int  # the byte after the last of them
    bytes: int  # of all of them
    spans: list[tuple[int, int]]  # where they lie, as ranges of bytes in order
    length: int  # time of all, as they are decoded
    shown: int  # time of all, as they are shown; the last may wait for those before
    last_delta: int  # time of the last
    common_delta: int  # time of most
    first_shown: int  # time
    keys: Sequence[int] | None  # numbers from 1 on; None: all
    longest_gap: int  # between key frames, and from the last one to the end; not still
    entries: frozenset[int]  # numbers of the sample entries that they refer to, from 1
    contradictions: tuple[Contradiction, ...] = ()
    empty: int = 0  # samples without a byte

    @property
    def is_readable(self) -> bool:
        """Report whether reading each sample is no more than a clip may ask for.

        Samples may lie over one another, a million times as well.
        """
        return self.total <= _MOST_SAMPLES and self.bytes <= 2 * self.end

    @property
    def is_hollow(self) -> bool:
        """Report whether more than a few samples are empty."""
        return self.empty * _HOLLOW_SHARE > self.total

    @property
    def starts_with_key(self) -> bool:
        """Report whether the first is marked as a key frame."""
        return self.keys is None or 1 in self.keys


def read_samples(stbl: Tree, timescale: int) -> Samples:
    """Return what the tables say; MalformedError if they make no sense at all.

    timescale is how many units of time a second has.
    """
    times = read_table(stbl.find("stts"), 2)
    shifts = read_table(stbl.find("ctts"), 2)
    table = stbl.find("stss")
    keys = read_table(table, 1)[0] if table else None
    chunks = read_chunks(stbl)
    count, spans = chunks.samples, locate(chunks)
    told, shown = _clip_runs(times, count), shifts
    if sum(shifts[0]) > count:
        shown = [array("I", each) for each in _clip_runs(shifts, count, clean=False)]
    length, first = sum(map(mul, *told)), _find_first_shown(told, shown)
    last_delta = told[1][-1] if told[1] else 0
    return Samples(
        count,
        spans[0][0] if spans else 0,
        max((end for _, end in spans), default=0),
        chunks.each * count or sum(chunks.sizes),
        spans,
        length,
        max(length, _find_last_shown(told, shown, length) + last_delta - first),
        last_delta,
        max(zip(*told, strict=True), default=(0, 0))[1],
        first,
        keys,
        0 if keys is None else _measure_gap(told, keys, timescale // _STILL),
        frozenset(chunks.entries),
        (
            *_contradict(times, shifts, keys, chunks),
            *_contradict_times(times, timescale),
            *_contradict_shifts(shifts, timescale),
        ),
        chunks.sizes.count(0),
    )


def fit_runs(runs: list[array[int]], count: int) -> list[tuple[int, int]]:
    """Return a table of runs for just so many samples, as _clip_runs counts them."""
    return list(zip(*_clip_runs(runs, count, clean=False), strict=True))


def _clip_runs(
    runs: list[array[int]], count: int, *, clean: bool = True
) -> tuple[list[int], list[int]]:
    """Return counts and values of runs for just so many samples, the last one longer.

    Players do the same with the time of samples that no table tells.
    """
    counts, values, left = [], [], count
    for number, value in zip(*runs, strict=True):
        if left <= 0:
            break
        counts.append(min(number, left))
        values.append(0 if clean and value >= _NEGATIVE else value)
        left -= number
    if counts and left > 0:
        counts[-1] += left
    return counts, values


def _contradict(
    times: list[array[int]],
    shifts: list[array[int]],
    keys: Sequence[int] | None,
    chunks: Chunks,
) -> Iterator[Contradiction]:
    count = chunks.samples
    timed, placed = sum(times[0]), sum(map(mul, chunks.runs, chunks.lengths))
    if timed == placed != count:
        yield Contradiction(
            f"contradicts itself: the table of sizes (stsz) counts "
            f"{count_noun(count, 'sample')}, those of times and chunks {timed}",
            None,
        )
        return
    for name, told, mended_by in (
        ("times (stts)", timed, BOXES),
        ("shifts of time (ctts)", sum(shifts[0]), BOXES),
        ("chunks (stsc)", placed, COPY),
    ):
        if told != count and (told or mended_by != BOXES or name[0] == "t"):
            lacks = name[0] == "s" and told < count
            yield Contradiction(
                f"contradicts itself: the table of {name} counts "
                f"{count_noun(told, 'sample')}, the file has {count}",
                None if lacks else mended_by,
            )
    if keys and not all(map(int.__lt__, [0, *keys], [*keys, count + 1])):
        yield Contradiction(
            "contradicts itself: its table of key frames (stss) names a sample twice, "
            f"out of order or beyond the last, {count}",
            BOXES,
        )


def _contradict_times(
    times: list[array[int]], timescale: int
) -> Iterator[Contradiction]:
    """Yield what is wrong with times; only the last sample may last for none."""
    longest = max((time for time in times[1] if time < _NEGATIVE), default=0)
    if longest > _MOST_SECONDS * timescale:
        # Encoded anew it would last as long: nothing tells how long it should.
        yield Contradiction(
            f"has a sample that lasts {longest / timescale:.0f} s (stts)", None
        )
    negative = sum(
        count for count, time in zip(*times, strict=True) if time >= _NEGATIVE
    )
    if negative:
        yield Contradiction(
            f"has {count_noun(negative, 'sample')} of less than no time (stts)",
            ENCODING,
        )
    runs = [(count, time) for count, time in zip(*times, strict=True) if count]
    without = sum(count for count, time in runs if not time)
    if runs and not runs[-1][1]:
        without -= 1
    if without:
        yield Contradiction(
            f"has {count_noun(without, 'sample')} of no time (stts)", ENCODING
        )


def _contradict_shifts(
    shifts: list[array[int]], timescale: int
) -> Iterator[Contradiction]:
    """Yield that pictures are shown long after they are decoded (8.6.1.3)."""
    farthest = max((abs(shift - (shift >> 31 << 32)) for shift in shifts[1]), default=0)
    if farthest > _MOST_SECONDS * timescale:
        yield Contradiction(
            f"shows a picture {farthest / timescale:.0f} s from when it is decoded "
            "(ctts)",
            None,
        )


def _find_first_shown(
    times: tuple[list[int], list[int]], shifts: list[array[int]]
) -> int:
    """Return when the first picture is shown, which need not be the first decoded."""
    decoded = accumulate(_spread(*times), initial=0)
    shown = [
        moment + shift - (shift >> 31 << 32)  # may be negative
        for moment, shift in zip(decoded, _spread(*shifts), strict=False)
    ]
    return min(shown, default=0)


def _find_last_shown(
    times: tuple[list[int], list[int]], shifts: list[array[int]], length: int
) -> int:
    """Return when the last picture is shown, which need not be the last decoded."""
    lasting = _spread(times[0][::-1], times[1][::-1])
    decoded = accumulate(lasting, lambda moment, time: moment - time, initial=length)
    shown = [
        moment + shift - (shift >> 31 << 32)
        for moment, shift in zip(
            islice(decoded, 1, None),
            _spread(shifts[0][::-1], shifts[1][::-1]),
            strict=False,
        )
    ]
    return max(shown, default=0)


def _spread(counts: Sequence[int], times: Sequence[int]) -> Iterator[int]:
    """Yield the time of each of the first samples."""
    least = (min(count, _LOOK_AHEAD) for count in counts)
    return islice(chain.from_iterable(map(repeat, times, least)), _LOOK_AHEAD)


def list_key_times(stbl: Tree, samples: Samples) -> list[int]:
    """Return when key frames are decoded, from the first sample on."""
    found: list[int] = []
    number, moment, left = 1, 0, iter(samples.keys or ())
    key = next(left, None)
    for count, time in fit_runs(read_table(stbl.find("stts"), 2), samples.total):
        while key is not None and key < number + count:
            found.append(moment + (key - number) * time)
            key = next(left, None)
        number += count
        moment += count * time
    return found


def _measure_gap(
    times: tuple[list[int], list[int]], keys: Sequence[int], still: int
) -> int:
    """Return the longest time without a key frame.

    A picture counts for no longer than still: to wait costs a decoder nothing.
    """
    longest = moment = previous = 0
    number, left = 1, iter(keys)
    key = next(left, None)
    for count, lasting in zip(*times, strict=True):
        time = min(lasting, still)
        while key is not None and key < number + count:
            found = moment + (key - number) * time
            longest, previous = max(longest, found - previous), found
            key = next(left, None)
        number += count
        moment += count * time
    return max(longest, moment - previous)
