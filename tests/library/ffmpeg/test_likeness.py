"""Likeness is measured in times, pictures and sound."""

from __future__ import annotations

from array import array
from random import Random

import pytest

from server.library.ffmpeg.likeness import (
    SIDE,
    WINDOW,
    Sketch,
    correlate,
    find_difference,
    is_alike,
    measure_loudness,
)

_RANDOM = Random(1)
PICTURES = {n: _RANDOM.randbytes(SIDE * SIDE * 3) for n in range(20)}
LOUDNESS = [100.0, 3000, 100, 3000, 100, 3000, 100, 3000, 100, 3000, 100]
MOMENTS = [n / 30 for n in range(20)]
GOOD = Sketch(MOMENTS, 20 / 30, PICTURES, LOUDNESS, has_sound=True)


def darken(picture: bytes) -> bytes:
    return bytes(byte * 3 // 4 for byte in picture)


@pytest.mark.parametrize(
    ("made", "difference"),
    [
        (GOOD, ""),
        (GOOD._replace(pictures={n: darken(p) for n, p in PICTURES.items()}), "look"),
        (GOOD._replace(moments=MOMENTS[1:]), "19 pictures instead of 20"),
        (GOOD._replace(moments=[m + 0.03 for m in MOMENTS]), "0.00 s would come at"),
        (GOOD._replace(end=1.0), "it would last 1.0 s instead of 0.7 s"),
        (GOOD._replace(has_sound=False, loudness=[]), "no sound"),
        (GOOD._replace(loudness=LOUDNESS * 2), "sound would last 2.2 s instead"),
        (GOOD._replace(loudness=[x / 9 for x in LOUDNESS]), "louder or quieter"),
        (GOOD._replace(loudness=[*LOUDNESS[1:], 3000]), "sound would come at other"),
        (GOOD._replace(pictures={**PICTURES, 3: PICTURES[4], 5: PICTURES[6]}), ""),
        (
            GOOD._replace(
                pictures={**PICTURES, 3: PICTURES[4], 5: PICTURES[6], 7: PICTURES[8]}
            ),
            "0.10 s would look different",
        ),
    ],
)
def test_difference_is_told(made: Sketch, difference: str) -> None:
    found = find_difference(GOOD, made)
    if difference == "look":  # three quarters of the light, but also of the colour
        assert found == "its picture at 0.00 s would look different"
    else:
        assert difference in found
        assert bool(found) == bool(difference)


def test_displaced_pictures_are_told() -> None:
    smooth = {
        n: bytes(abs((x + 2 * n) % 64 - 32) + 96 for x in range(SIDE)) * SIDE * 3
        for n in range(40)
    }
    moments = [n / 30 for n in range(40)]
    source = Sketch(moments, 40 / 30, smooth, [], has_sound=False)
    later = {n: smooth[max(n - 3, 0)] for n in smooth}
    found = find_difference(source, source._replace(pictures=later))
    assert found == "its pictures would come at other times"
    assert find_difference(source, source) == ""


def test_pictures_out_of_order_in_the_source_are_told() -> None:
    source = GOOD._replace(misplaced=5)
    assert find_difference(source, GOOD) == (
        "5 of its pictures come at the times of others"
    )


def test_colour_counts_unless_it_is_mapped() -> None:
    grey = bytes([100]) * SIDE * SIDE
    plain, green = grey + bytes([128]) * 2 * len(grey), grey + bytes(2 * len(grey))
    assert is_alike(plain, plain)
    assert not is_alike(plain, green)
    assert is_alike(plain, green, is_hdr=True)


def test_correlation_has_no_answer_without_contrast() -> None:
    assert correlate([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlate([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlate([1, 1, 1], [1, 2, 3]) == 0


def test_loudness_is_that_of_tenths_of_a_second() -> None:
    samples = array("h", [100] * WINDOW + [-300] * (WINDOW // 2))
    assert measure_loudness(samples) == [100, 300]
    assert measure_loudness(array("h")) == []
