"""What grows in `python -m bench scale`, as data. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.results import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KIB, MB = 1024, 10**6
BOTH = ("origin", "memory")
SHARED = 256  # clips of half a MiB, of which the cache holds a share
ASKED = 400  # clips of a library that are asked for, spread over it
WARM_SECONDS = 0.3
CLIENTS_A_SECOND = 800  # that have their answer, where all of many ask at once
MORE_SECONDS = 0.6  # that a stretch takes besides
LOADED_A_SECOND = 30 * MIB  # bytes, about, into table and file
CLIP_SECONDS = 0.004  # about, besides


class Axis(NamedTuple):
    """What grows."""

    name: str
    label: str
    question: str
    points: tuple[int, ...]
    quick: tuple[int, ...]


class Point(NamedTuple):
    """What is asked for when it has grown so far."""

    axis: str
    value: int
    sizes: list[int]  # of the videos
    mix: str  # of bench.scenarios.MIXES
    length: int  # bytes of each range
    clients: int = 16
    paths: tuple[str, ...] = BOTH
    share: float = 1.5  # of the videos' bytes that the memory path has room for


AXES = (
    Axis(
        "range",
        "KiB of a range",
        "What does a longer range cost? At any place of a clip of 12 MiB.",
        (1, 4, 16, 64, 256, 1024, 4096, 8192),
        (1, 64, 1024, 8192),
    ),
    Axis(
        "video",
        "MB of the video",
        "What does a seek to the last 64 KiB cost in a larger video?",
        (1, 10, 100, 300, 900),
        (1, 10, 100),
    ),
    Axis(
        "library",
        "clips in the table",
        f"What does a clip of 16 KiB cost in a larger library? {ASKED} are asked for.",
        (10, 100, 1000, 10_000),
        (10, 100, 1000),
    ),
    Axis(
        "clients",
        "clients at once",
        "What do more clients cost? Each asks for 64 KiB after 64 KiB.",
        (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000),
        (1, 16, 256, 2000),
    ),
    Axis(
        "cache",
        "percent of the library in memory",
        f"What does a larger cache bring? {SHARED} clips of 512 KiB, Zipf popularity.",
        (2, 5, 10, 20, 40, 60, 100),
        (5, 20, 100),
    ),
)


def guess_seconds(points: Sequence[Point], seconds: float, rounds: int) -> float:
    """Return about how long it takes: loading, and the stretches."""
    loaded = {
        (point.axis, size, n) for point in points for n, size in enumerate(point.sizes)
    }
    return (
        sum(rounds * len(p.paths) * find_length(p, seconds) for p in points)
        + sum(size for _, size, _ in loaded) / LOADED_A_SECOND
        + len(loaded) * CLIP_SECONDS
    )


def find_length(point: Point, seconds: float) -> float:
    """Return about how long a stretch takes."""
    most = point.clients / CLIENTS_A_SECOND
    return max(seconds, most) + max(WARM_SECONDS, most) + MORE_SECONDS


def list_points(axis: Axis, quick: bool) -> list[Point]:
    """Return the points of an axis."""
    build: Callable[[int], Point] = {
        "range": lambda n: Point("range", n, [12 * MIB], "range", n * KIB, 4),
        "video": lambda n: Point(
            "video", n, [n * MB], "tail", 64 * KIB, paths=BOTH[:1]
        ),
        "library": lambda n: Point("library", n, [16 * KIB] * n, "range", 16 * KIB),
        "clients": lambda n: Point("clients", n, [5 * MIB], "range", 64 * KIB, n),
        "cache": lambda n: Point(
            "cache", n, [MIB // 2] * SHARED, "zipf", 0, paths=BOTH[1:], share=n / 100
        ),
    }[axis.name]
    return list(map(build, axis.quick if quick else axis.points))
