"""Edge caches in thought: LRU by bytes over slices, clips of Zipf popularity. No I/O.

A view asks its edge for every slice of the clip, all in the second it begins; what one
has asked for is there for the next. So players that read a clip's head twice count
once, and the hit ratio is that of slices: a real edge counts a little more hits.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from itertools import accumulate
from math import cos, pi
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SLICE_BYTES = 2**20
DAY_SECONDS = 86400
SWING = 0.8  # the busiest moment has 1.8 times the day's mean, the quietest 0.2


class Audience(NamedTuple):
    """Who watches what, and what stands between."""

    viewers: int
    clips: int
    edges: int
    views: int  # of a viewer, a day
    clip_bytes: int
    edge_bytes: int  # of each edge's cache
    zipf: float  # exponent: the n-th clip is asked for n ** -zipf as often as the first
    days: int
    seed: int


class View(NamedTuple):
    """Somebody watches a clip."""

    second: int  # of the day
    edge: int
    clip: int  # 0 is the most popular


class Day(NamedTuple):
    """What the origin and the edges saw in a day."""

    asked: int  # slices, at all edges
    hits: int
    origin_bytes: int
    peak: int  # requests that reached the origin in its busiest second

    @property
    def origin_requests(self) -> int:
        """Return how many requests reached the origin."""
        return self.asked - self.hits

    @property
    def hit_ratio(self) -> float:
        """Return the share of slices that the edges had."""
        return self.hits / self.asked if self.asked else 1.0


class Edge:
    """A cache of slices that drops what was used longest ago."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity  # bytes
        self.used = 0
        self.kept: OrderedDict[tuple[int, int], int] = OrderedDict()

    def ask(self, clip: int, number: int, size: int) -> bool:
        """Return whether the slice was there; it is now, if it fits at all."""
        key = clip, number
        if key in self.kept:
            self.kept.move_to_end(key)
            return True
        if size <= self.capacity:
            self.kept[key] = size
            self.used += size
            while self.used > self.capacity:
                self.used -= self.kept.popitem(last=False)[1]
        return False


def list_slices(size: int) -> list[int]:
    """Return the lengths of the slices of a clip."""
    whole, rest = divmod(size, SLICE_BYTES)
    return [SLICE_BYTES] * whole + [rest] * bool(rest)


def simulate(audience: Audience) -> list[Day]:
    """Return day after day, beginning with empty caches."""
    source = random.Random(audience.seed)
    edges = [Edge(audience.edge_bytes) for _ in range(audience.edges)]
    slices = list_slices(audience.clip_bytes)
    sizes = [slices] * audience.clips
    days: list[Day] = []
    for _ in range(audience.days):
        if all(len(edge.kept) == audience.clips * len(slices) for edge in edges):
            days.append(Day(days[-1].asked, days[-1].asked, 0, 0))  # nothing can miss
        else:
            days.append(run_day(edges, list_views(audience, source), sizes))
    return days


def run_day(
    edges: Sequence[Edge], views: Iterable[View], sizes: Sequence[Sequence[int]]
) -> Day:
    """Return what happens; views are in order, sizes those of each clip's slices."""
    asked = hits = origin_bytes = peak = 0
    second, busy = -1, 0
    for view in views:
        if view.second != second:
            second, busy = view.second, 0
        ask = edges[view.edge].ask
        for number, size in enumerate(sizes[view.clip]):
            asked += 1
            if ask(view.clip, number, size):
                hits += 1
            else:
                origin_bytes += size
                busy += 1
        peak = max(peak, busy)
    return Day(asked, hits, origin_bytes, peak)


def list_views(audience: Audience, source: random.Random) -> Iterator[View]:
    """Yield a day's views in order; each comes from some viewer, who has one edge."""
    count = audience.viewers * audience.views
    spread = [
        len(range(n, audience.viewers, audience.edges)) for n in range(audience.edges)
    ]
    popularity = list(accumulate(weigh(audience.clips, audience.zipf)))
    return map(
        View,
        list_seconds(count, source),
        source.choices(range(audience.edges), spread, k=count),
        source.choices(range(audience.clips), cum_weights=popularity, k=count),
    )


def weigh(clips: int, zipf: float) -> Iterator[float]:
    """Yield how often each clip is asked for, the first 1."""
    return (rank**-zipf for rank in range(1, clips + 1))


def list_seconds(count: int, source: random.Random) -> list[int]:
    """Return the seconds of a day at which something happens, quiet at both ends."""
    often = [
        1 - SWING * cos(2 * pi * second / DAY_SECONDS) for second in range(DAY_SECONDS)
    ]
    chosen = source.choices(
        range(DAY_SECONDS), cum_weights=list(accumulate(often)), k=count
    )
    return sorted(chosen)
