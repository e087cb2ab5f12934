"""How much a clip is like the one that it was made of. No I/O."""

from __future__ import annotations

from math import sqrt
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from server.library.report import count_noun

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

SIDE = 32  # pixels of the pictures that are compared
RATE = 8000  # samples a second of the sound that is compared
WINDOW = RATE // 10

_MOMENT_SECONDS = 0.02
_LENGTH_SECONDS = 0.15  # AAC's frames, and a picture at 30 a second
# Measured on screens, text, grain, fractals and plain noise, down to 60 kB for 4 s: at
# most one picture in twenty was both less alike and more different, of noise alone.
_LEAST_LIKENESS = 0.5
_MOST_DIFFERENCE = 16
_MOST_TINT = 24
_MOST_WRONG = 0.05  # of the pictures, that come at the times of others
_MOST_UNLIKE = 0.1  # of the pictures that are compared
_SHIFTS = (-12, -6, -3, -1, 1, 3, 6, 12)  # pictures by which they might be displaced
_VISIBLE = 3.0  # mean difference of those that are encoded well and still move
_QUIET = 60  # of 32,768: below, loudness is no measure
_MOST_GAIN = 4


class Sketch(NamedTuple):
    """What is compared of a clip; times are in seconds."""

    moments: list[float]  # of all pictures
    end: float  # of the last picture
    pictures: dict[int, bytes]  # by number: a square in Y, then U, then V
    loudness: list[float]  # root mean square of each tenth of a second
    has_sound: bool
    is_hdr: bool = False
    misplaced: int = 0  # pictures at or before the time of the one before


def find_difference(source: Sketch, made: Sketch) -> str:
    """Return in what way a clip is worse than its source should be, or nothing."""
    return (
        _compare_times(source, made)
        or _compare_pictures(source, made)
        or _compare_sound(source, made)
    )


def has_lost_order(misplaced: int, total: int) -> bool:
    """Report whether so many pictures come at others' times that no copy is right."""
    return misplaced > max(total * _MOST_WRONG, 1)


def _compare_times(source: Sketch, made: Sketch) -> str:
    if has_lost_order(source.misplaced, len(source.moments)):
        return f"{source.misplaced} of its pictures come at the times of others"
    if len(source.moments) != len(made.moments):
        return (
            f"it would have {count_noun(len(made.moments), 'picture')} instead of "
            f"{len(source.moments)}"
        )
    for before, after in zip(source.moments, made.moments, strict=True):
        if abs(before - after) > _MOMENT_SECONDS:
            return f"its picture at {before:.2f} s would come at {after:.2f} s"
    if abs(source.end - made.end) > _LENGTH_SECONDS:
        return f"it would last {made.end:.1f} s instead of {source.end:.1f} s"
    return ""


def _compare_pictures(source: Sketch, made: Sketch) -> str:
    both = sorted(source.pictures.keys() & made.pictures.keys())
    wrong = [
        number
        for number in both
        if not is_alike(
            source.pictures[number], made.pictures[number], is_hdr=source.is_hdr
        )
    ]
    if len(wrong) > max(len(both) * _MOST_UNLIKE, 1):
        return f"its picture at {made.moments[wrong[0]]:.2f} s would look different"
    if not source.is_hdr and _is_displaced(source.pictures, made.pictures):
        return "its pictures would come at other times"
    return ""


def _is_displaced(before: dict[int, bytes], after: dict[int, bytes]) -> bool:
    """Report whether pictures are much more like those that come sooner or later."""
    here = _measure_shifted(before, after, 0) if after else 0.0
    if here < _VISIBLE:
        return False
    return any(_measure_shifted(before, after, by) < here / 2 for by in _SHIFTS)


def _measure_shifted(
    before: dict[int, bytes], after: dict[int, bytes], shift: int
) -> float:
    """Return the mean difference from the pictures so many places away."""
    pairs = [(before[n + shift], after[n]) for n in after if n + shift in before]
    if len(pairs) < len(after) / 2:
        return 255.0
    return sum(measure_difference(*pair) for pair in pairs) / len(pairs)


def measure_difference(before: bytes, after: bytes) -> float:
    """Return by how much the lightness of two pictures differs, from 0 to 255."""
    size = SIDE * SIDE
    return sum(map(abs, map(int.__sub__, before[:size], after[:size]))) / size


def is_alike(before: bytes, after: bytes, *, is_hdr: bool = False) -> bool:
    """Report whether two pictures show the same, in about the same colours."""
    size = SIDE * SIDE
    alike = (
        measure_difference(before, after) <= _MOST_DIFFERENCE
        or correlate(before[:size], after[:size]) >= _LEAST_LIKENESS
    )
    if is_hdr or not alike:
        return alike
    for start in (size, 2 * size):
        mean = sum(before[start : start + size]) - sum(after[start : start + size])
        if abs(mean) / size > _MOST_TINT:
            return False
    return True


def correlate(ones: Sequence[float], others: Sequence[float]) -> float:
    """Return how numbers go with others, from -1 to 1; 0 if either are all the same."""
    count = len(ones)
    mean, other = sum(ones) / count, sum(others) / count
    both = sum(map(mul, ones, others)) / count - mean * other
    spread = sum(map(mul, ones, ones)) / count - mean * mean
    spread *= sum(map(mul, others, others)) / count - other * other
    return both / sqrt(spread) if spread > 0 else 0.0


def _compare_sound(source: Sketch, made: Sketch) -> str:
    if source.has_sound and not made.has_sound:
        return "it would have no sound"
    before, after = source.loudness, made.loudness
    if abs(len(before) - len(after)) > 2 + len(before) // 100:
        return (
            f"its sound would last {len(after) / 10:.1f} s instead of "
            f"{len(before) / 10:.1f} s"
        )
    count = min(len(before), len(after))
    if not count:
        return ""
    loud, found = (sqrt(sum(map(mul, x, x)) / count) for x in (before, after))
    gain = found / (loud or 1)
    if max(loud, found) > _QUIET and not 1 / _MOST_GAIN < gain < _MOST_GAIN:
        return "its sound would be louder or quieter"
    spread = max(before[:count]) - min(before[:count])
    if (
        count >= 10
        and spread > loud
        and correlate(before[:count], after[:count]) < _LEAST_LIKENESS
    ):
        return "its sound would come at other times"
    return ""


def measure_loudness(samples: array[int]) -> list[float]:
    """Return the root mean square of each tenth of a second."""
    return [
        sqrt(sum(map(mul, part, part)) / len(part))
        for at in range(0, len(samples), WINDOW)
        for part in [samples[at : at + WINDOW]]
    ]
