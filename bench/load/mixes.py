"""The requests that follow from a mix and a seed. No I/O."""

from __future__ import annotations

import random
from itertools import accumulate, chain, cycle
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FIRST_BYTES = 166_896  # of a faststart clip, until AVPlayer shows its first frame
MDAT_BYTES = 65_536  # read until AVPlayer sees that moov is not in front
MOOV_BYTES = 45_728  # at the end of a clip of 3 MiB
MDAT_AT = 32
PLAY_BYTES = 131_072  # of mdat, until the first frame
SCRUB_BYTES = 32_768, 131_072  # taken of each place before the finger moves on
ZIPF = 0.9  # the n-th clip is asked for n ** -ZIPF as often as the first


class Step(NamedTuple):
    """One request, and how much of its answer is taken."""

    video: int  # its place in the library
    status: int
    start: int = 0
    stop: int = 0  # of what the answer has; [0, 0) of 304
    take: int = -1  # bytes of the body before leaving; -1 takes all
    fresh: bool = False  # on a new connection


Unit = tuple[Step, ...]  # its latency is from the first request to the last byte taken


def list_units(
    mix: str, length: int, sizes: Sequence[int], seed: int
) -> Iterator[Unit]:
    """Yield what is asked for: endlessly, except for the mix `each`."""
    return MIXES[mix](sizes, length, random.Random(seed))


def build_whole(video: int, size: int) -> Unit:
    """Return a whole download."""
    return (Step(video, 200, 0, size),)


def list_whole(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield whole downloads of any video."""
    while True:
        video = source.randrange(len(sizes))
        yield build_whole(video, sizes[video])


def list_each(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield every video once, in any order."""
    videos = list(range(len(sizes)))
    source.shuffle(videos)
    return (build_whole(video, sizes[video]) for video in videos)


def list_zipf(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield whole downloads, the n-th video n ** -ZIPF as often as the first."""
    weights = list(accumulate((place + 1) ** -ZIPF for place in range(len(sizes))))
    videos = range(len(sizes))
    while True:
        for video in source.choices(videos, cum_weights=weights, k=256):
            yield build_whole(video, sizes[video])


def list_ranges(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield ranges of length at any place of any video."""
    while True:
        video = int(source.random() * len(sizes))
        start = int(source.random() * (sizes[video] - length + 1))
        yield (Step(video, 206, start, start + length),)


def list_tails(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield the last length bytes of any video."""
    while True:
        video = source.randrange(len(sizes))
        yield (Step(video, 206, sizes[video] - length, sizes[video]),)


def list_openings(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield AVPlayer's opening of a faststart clip, up to its first frame."""
    while True:
        video = source.randrange(len(sizes))
        size = sizes[video]
        probe = Step(video, 206, 0, 2, fresh=True)
        yield probe, Step(video, 206, 0, size, min(FIRST_BYTES, size))


def list_tail_openings(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield AVPlayer's opening of a clip with moov at its end."""
    while True:
        video = source.randrange(len(sizes))
        size = sizes[video]
        yield (
            Step(video, 206, 0, 2, fresh=True),
            Step(video, 206, 0, size, MDAT_BYTES),
            Step(video, 206, size - MOOV_BYTES, size),
            Step(video, 206, MDAT_AT, size, PLAY_BYTES),
        )


def list_seeks(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield seeks to any place that are left half-way, each on a new connection."""
    while True:
        video = source.randrange(len(sizes))
        size, take = sizes[video], source.randint(*SCRUB_BYTES)
        start = source.randrange(size - take)
        yield (Step(video, 206, start, size, take, fresh=True),)


def list_conditional(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield questions whether a copy is still good; it is."""
    while True:
        yield (Step(source.randrange(len(sizes)), 304),)


def list_missing(
    sizes: Sequence[int], length: int, source: random.Random
) -> Iterator[Unit]:
    """Yield questions for what is not there, one after the other.

    An edge would make clients that ask for the same at the same time wait.
    """
    return cycle((Step(video, 404, 0, size),) for video, size in enumerate(sizes))


MIXES: dict[str, Callable[[Sequence[int], int, random.Random], Iterator[Unit]]] = {
    "whole": list_whole,
    "each": list_each,
    "zipf": list_zipf,
    "range": list_ranges,
    "tail": list_tails,
    "opening": list_openings,
    "opening-tail": list_tail_openings,
    "scrub": list_seeks,
    "conditional": list_conditional,
    "missing": list_missing,
}


def list_due(rate: float, seed: int) -> Iterator[float]:
    """Yield seconds at which units come due: independent arrivals (Poisson)."""
    source = random.Random(seed)
    return accumulate(chain([0.0], iter(lambda: source.expovariate(rate), None)))
