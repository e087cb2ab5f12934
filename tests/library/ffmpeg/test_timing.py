"""Times are filled in, put in order, and thinned out."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.library.ffmpeg.timing import (
    Thinner,
    fill_moments,
    pick_ticks,
    plan_decoding,
)


@pytest.mark.parametrize(
    ("known", "filled"),
    [
        ([0, 10, 20], [0, 10, 20]),
        ([None, None, 20], [0, 10, 20]),
        ([0, None, None, 30, None], [0, 10, 20, 30, 40]),
        ([None, None], [0, 10]),
        ([5, 5, 4, 30], [5, 6, 7, 30]),
        ([], []),
    ],
)
def test_moments_are_filled_in(known: list[int | None], filled: list[int]) -> None:
    assert fill_moments(known, 10) == filled


def test_decoding_is_as_late_as_can_be() -> None:
    assert plan_decoding([0, 40, 20, 10, 30]) == [-20, -10, 0, 10, 20]
    assert plan_decoding([0, 10, 20]) == [0, 10, 20]
    assert plan_decoding([]) == []


@given(st.lists(st.integers(0, 9999), min_size=1, unique=True))
def test_nothing_is_decoded_after_it_is_shown(shown: list[int]) -> None:
    decoded = plan_decoding(shown)
    assert decoded == sorted(decoded)
    assert max(map(int.__sub__, decoded, shown)) == 0


@given(st.lists(st.integers(0, 3000), min_size=2, unique=True), st.integers(1, 60))
def test_thinned_pictures_are_within_the_limit(moments: list[int], fps: int) -> None:
    thinner = Thinner(fps)
    kept = [m for m in sorted(moments) if thinner.keeps(Fraction(m, 1000))]
    assert kept[0] == min(moments)
    assert thinner.least == len(kept) / Fraction(fps * 101, 100)
    for first, second in pairwise(kept):
        assert second - first >= 1000 / fps / 2


@pytest.mark.parametrize("jitter", [(0, 0), (1, 0), (-1, 1), (-5, 5), (4, -4)])
def test_jitter_costs_no_picture(jitter: tuple[int, int]) -> None:
    thinner = Thinner(30)
    moments = [round(n * 1000 / 30) + jitter[n % 2] for n in range(300)]
    assert all(thinner.keeps(Fraction(moment, 1000)) for moment in moments)


@pytest.mark.parametrize(
    ("base", "ticks"),
    [
        (Fraction(1, 15360), 15360),
        (Fraction(1001, 30000), 30000),
        (Fraction(1, 1000), 10000),
        (Fraction(1, 30), 10020),
        (Fraction(1, 10_000_000), 90000),
        (None, 90000),
    ],
)
def test_ticks_tell_times_exactly(base: Fraction | None, ticks: int) -> None:
    assert pick_ticks(base) == ticks
