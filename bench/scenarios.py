"""What is measured, as data: question, requests, load and paths. No I/O."""

from __future__ import annotations

from typing import NamedTuple

KIB = 1024
RATE, THROUGHPUT = "requests/s", "MiB/s"


class Scenario(NamedTuple):
    """A row for each of its paths."""

    name: str
    question: str
    mix: str  # of bench.load.mixes.MIXES
    library: str  # of bench.stand.videos.LIBRARIES
    paths: tuple[str, ...]  # names of bench.stand.contenders.CONTENDERS
    unit: str = RATE
    length: int = 0  # bytes of a range
    clients: int = 16
    rate: float | None = None  # units that come due a second; None: when one has ended
    pace: int | None = None  # bytes a second that a client takes, None: all it can get
    warm: float = 0.2  # seconds before the stretch, at least
    least: float = 0.0  # seconds of a stretch, at least
    far: bool = False  # the origin is 50 ms away
    long: bool = False  # a quick run has no time for it


PAIR = ("origin", "memory")
OURS = (*PAIR, "edge")
FILES = ("nginx", "aiohttp-file", "starlette-file", "fastapi-asyncpg")

SCENARIOS = (
    Scenario(
        "whole",
        "How fast does a whole clip of 5 MiB arrive? Four clients.",
        "whole",
        "clip",
        (*OURS, *FILES, "asyncpg-loop"),
        THROUGHPUT,
        clients=4,
    ),
    Scenario(
        "film",
        "How fast do 256 MB arrive? One client.",
        "whole",
        "film",
        ("origin", "asyncpg-loop"),
        THROUGHPUT,
        clients=1,
        warm=1.0,  # the whole once
        least=3.0,
        long=True,
    ),
    Scenario(
        "ranges64",
        "How many random ranges of 64 KiB a second?",
        "range",
        "clip",
        (*OURS, *FILES, "flask-plan"),
        length=64 * KIB,
    ),
    Scenario(
        "ranges256",
        "How many random ranges of 256 KiB a second?",
        "range",
        "clip",
        (*OURS, *FILES),
        length=256 * KIB,
    ),
    Scenario(
        "segments64",
        "How many ranges of 64 KiB of a segment of HLS a second?",
        "tail",
        "segments",
        PAIR,
        length=64 * KIB,
    ),
    Scenario(
        "playlists",
        "How many media playlists of HLS a second?",
        "whole",
        "playlists",
        PAIR,
    ),
    Scenario(
        "steady64",
        "How long does a range of 64 KiB take when 200 a second come due?",
        "range",
        "clip",
        OURS,
        length=64 * KIB,
        rate=200.0,
    ),
    Scenario(
        "first-frame",
        "How long until AVPlayer has its first frame, faststart? 40 openings a second.",
        "opening",
        "phone",
        OURS,
        rate=40.0,
    ),
    Scenario(
        "first-frame-tail",
        "How long with moov at the end of the file? 40 openings a second.",
        "opening-tail",
        "phone",
        OURS,
        rate=40.0,
    ),
    Scenario(
        "scrub",
        "How many seeks a second by fingers that leave each answer half-way?",
        "scrub",
        "phone",
        OURS,
        clients=8,
    ),
    Scenario(
        "slow-phones",
        "How much of their 119 MiB/s do 1,000 clients at 1 Mbit/s get?",
        "range",
        "clip",
        OURS,
        THROUGHPUT,
        length=128 * KIB,
        clients=1000,
        pace=125_000,
        warm=0.8,
        least=1.5,
    ),
    Scenario(
        "cold-fill",
        "How fast do 1,000 new clips arrive, each asked for once?",
        "each",
        "library",
        ("origin", "edge-cold"),
        warm=0.0,
        least=60.0,  # it ends with the last clip
    ),
    Scenario(
        "conditional",
        "How many 304 a second?",
        "conditional",
        "clip",
        ("origin", "edge"),
    ),
    Scenario(
        "not-found",
        "How many 404 a second?",
        "missing",
        "missing",
        ("origin", "edge"),
    ),
    Scenario(
        "zipf",
        "What does a cache of a tenth of 1,000 clips bring under Zipf popularity?",
        "zipf",
        "library",
        OURS,
        warm=0.7,
    ),
    Scenario(
        "workers",
        "Does a request cost more with two workers than with one?",
        "range",
        "clip",
        ("one-worker", "two-workers"),
        length=64 * KIB,
        clients=64,
    ),
    Scenario(
        "far",
        "How long until the first frame when the origin is 50 ms away?",
        "opening",
        "phone",
        ("origin", "edge"),
        clients=4,
        far=True,
    ),
)
