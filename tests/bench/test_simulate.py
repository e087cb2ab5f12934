from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from bench.plan.simulate import (
    DAY_SECONDS,
    SLICE_BYTES,
    Audience,
    Day,
    Edge,
    View,
    list_seconds,
    list_slices,
    list_views,
    run_day,
    simulate,
    weigh,
)
from bench.results import MIB

SMALL = Audience(
    viewers=50, clips=40, edges=2, views=10, clip_bytes=2 * MIB + 5,
    edge_bytes=2**40, zipf=0.9, days=3, seed=1,
)  # fmt: skip


def ask(edge: Edge, *clips: int, size: int = 1) -> list[bool]:
    return [edge.ask(clip, 0, size) for clip in clips]


def test_edge_drops_what_was_used_longest_ago() -> None:
    edge = Edge(3)
    assert ask(edge, 1, 2, 3, 1, 4) == [False, False, False, True, False]
    assert ask(edge, 1, 3, 4, 2) == [True, True, True, False]
    assert [clip for clip, _ in edge.kept] == [3, 4, 2]


def test_edge_counts_bytes_not_slices() -> None:
    edge = Edge(10)
    assert not edge.ask(1, 0, 6)
    assert not edge.ask(1, 1, 4)
    assert not edge.ask(2, 0, 1)  # the 6 must go
    assert (edge.used, list(edge.kept)) == (5, [(1, 1), (2, 0)])


def test_edge_passes_on_what_does_not_fit() -> None:
    edge = Edge(10)
    assert ask(edge, 1) == [False]
    assert ask(edge, 2, 2, size=11) == [False, False]
    assert ask(edge, 1) == [True]


@pytest.mark.parametrize(
    ("size", "slices"),
    [
        (1, [1]),
        (SLICE_BYTES, [SLICE_BYTES]),
        (2 * SLICE_BYTES + 7, [SLICE_BYTES, SLICE_BYTES, 7]),
    ],
)
def test_clip_is_asked_for_in_slices(size: int, slices: list[int]) -> None:
    assert list_slices(size) == slices


def test_day_counts_each_slice_and_the_busiest_second() -> None:
    views = [View(5, 0, 0), View(5, 0, 0), View(5, 1, 0), View(6, 0, 1), View(9, 0, 0)]
    found = run_day([Edge(100), Edge(100)], views, [[8, 3], [4]])
    # two slices at each edge in second 5, one in second 6; three views find theirs
    assert found == Day(asked=9, hits=4, origin_bytes=11 + 11 + 4, peak=4)
    assert (found.origin_requests, found.hit_ratio) == (5, 4 / 9)


def test_day_without_views_reaches_no_origin() -> None:
    assert run_day([Edge(1)], [], []).hit_ratio == 1.0


def test_enough_room_means_each_slice_is_fetched_once_an_edge() -> None:
    first, *others = simulate(SMALL)
    views = random.Random(SMALL.seed)
    seen = {(view.edge, view.clip) for view in list_views(SMALL, views)}
    assert first.origin_requests == 3 * len(seen)
    assert first.asked == 3 * 50 * 10
    total = first.origin_requests + sum(day.origin_requests for day in others)
    assert total <= 3 * 40 * 2


def test_days_after_all_is_kept_have_no_misses() -> None:
    days = simulate(SMALL._replace(clips=3))
    assert [day.origin_requests for day in days] == [3 * 3 * 2, 0, 0]
    assert {day.asked for day in days} == {1500}


def test_no_room_means_that_all_reaches_the_origin() -> None:
    for day in simulate(SMALL._replace(edge_bytes=0)):
        assert day.hits == 0
        assert day.origin_bytes == 500 * SMALL.clip_bytes


def test_simulation_agrees_with_theory() -> None:
    # Che's approximation of an LRU: what is asked for within its characteristic time
    # is there. Clips of one slice, one edge, room for a fifth of them.
    one = SMALL._replace(
        viewers=2000, views=20, clips=500, edges=1, clip_bytes=1, edge_bytes=100, days=2
    )
    weights = list(weigh(one.clips, one.zipf))
    parts = [weight / sum(weights) for weight in weights]
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        kept = sum(1 - math.exp(-part * middle) for part in parts)
        low, high = (middle, high) if kept < one.edge_bytes else (low, middle)
    expected = sum(part * (1 - math.exp(-part * low)) for part in parts)
    assert simulate(one)[1].hit_ratio == pytest.approx(expected, abs=0.01)


def test_popularity_is_zipf() -> None:
    one = SMALL._replace(viewers=5000, clips=10)
    counted = Counter(view.clip for view in list_views(one, random.Random(3)))
    for clip in range(10):
        expected = (clip + 1) ** -0.9 / sum(weigh(10, 0.9)) * 50_000
        assert counted[clip] == pytest.approx(expected, rel=0.05)


def test_viewers_are_spread_over_edges() -> None:
    one = SMALL._replace(viewers=5, views=4000, edges=2)
    counted = Counter(view.edge for view in list_views(one, random.Random(3)))
    assert counted[0] / counted[1] == pytest.approx(3 / 2, rel=0.05)


def test_day_is_busiest_at_noon() -> None:
    found = list_seconds(20_000, random.Random(1))
    assert found == sorted(found)
    hours = Counter(second * 24 // DAY_SECONDS for second in found)
    assert set(hours) == set(range(24))
    assert hours[11] > 4 * hours[0]
