"""What the load generator is to do, and what it saw. No I/O."""

from __future__ import annotations

from typing import NamedTuple


class Asset(NamedTuple):
    """What can be asked for, and the bytes that must come."""

    target: str
    size: int
    path: str  # of the file with its bytes
    etag: str = ""


class Job(NamedTuple):
    """A stretch of load."""

    port: int
    assets: list[Asset]
    mix: str  # of bench.load.mixes.MIXES
    length: int = 0  # bytes of each range
    clients: int = 16
    seconds: float = 1.0
    warm: float = 0.2  # seconds before the stretch, at least
    fill: bool = False  # ask for everything once before that
    rate: float | None = None  # units that come due a second; None: when one has ended
    pace: int | None = None  # bytes a second that a client takes
    whole: bool = False  # the server knows no ranges: it must send all
    seed: int = 1
    host: str = "127.0.0.1"
    name: str = "localhost"  # in Host:
    tls: bool = False


class Seen(NamedTuple):
    """What came of it."""

    requests: int  # units: an opening of several requests counts once
    bytes: int  # of bodies
    seconds: float
    histogram: dict[int, int]  # bench.results.bucket -> count; every latency is in it
    cpu: float  # seconds that the generator used
    repeated: int  # requests sent again, since their kept connection had been closed
