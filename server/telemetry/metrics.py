"""What the server counts, in memory that its workers share: a request only adds.

A process adds to a row of numbers of its own, which outlives it, so that nothing is
lost when a worker is replaced. Reading sums the rows.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left
from time import time
from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
"""Seconds: fine enough for a p99 within a third of what it is."""

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
KINDS = (
    *("whole", "closed", "open", "suffix", "several", "unsatisfiable", "ignored"),
    "none",
)
"""What a GET of a video asked for; ignored is a Range that got a 200, and none is what
got no bytes of a video for another reason, such as 304 or 404."""

COUNTERS = (
    *("unavailable", "cache_hits", "cache_misses", "cache_waits", "cache_evictions"),
    *("pool_waits", "pool_wait_microseconds", "pool_timeouts", "plays"),
)
GAUGES = (
    *("cache_bytes", "cache_limit_bytes", "connections_open", "connections_in_use"),
    *("reads_waiting", "stalled_clients", "published"),
)
FRESH_SECONDS = 5  # gauges of a process that has not told them for so long don't count
WIDTH = len(BOUNDS) + 2  # buckets, the one above them, the sum in microseconds
OTHER = "other"  # whatever has no route
_NUMBER = 8  # bytes


class Metrics:
    """Numbers by name and label; those of the process that claimed a row grow."""

    def __init__(
        self, routes: Sequence[str], queries: Sequence[str] = (), processes: int = 1
    ) -> None:
        """Make room for processes at a time, of which each has to claim its row.

        The first route is the one with short answers.
        """
        self.routes = {name: place for place, name in enumerate((*routes, OTHER))}
        self.query_names = tuple(queries)
        sizes = {
            "requests": len(self.routes) * len(CLASSES),
            "sent_bytes": len(self.routes),
            "short": len(CLASSES) * WIDTH,
            "first_byte": len(self.routes) * WIDTH,
            "duration": len(self.routes) * WIDTH,
            "aborted": len(self.routes),
            "ranges": len(KINDS),
            "queries": len(self.query_names) * 2,  # how many, microseconds
            "counters": len(COUNTERS),
            "gauges": len(GAUGES),
        }
        self.place: dict[str, int] = {}
        self._width = 0
        for name, size in sizes.items():
            self.place[name] = self._width
            self._width += size
        self._short = self.place["short"]
        self._sent = self.place["sent_bytes"]
        self._ranges = self.place["ranges"]
        self._rows = processes
        self._file = -1 if processes == 1 else os.memfd_create("bytereel-metrics")
        length = self._width * _NUMBER * processes
        if self._file >= 0:
            os.truncate(self._file, length)
        self._all = memoryview(mmap.mmap(self._file, length)).cast("q")
        self._row = self._all[: self._width]
        self._told: dict[int, int] = {}  # what was published of totals kept elsewhere

    def claim(self) -> None:
        """Take a row that no living process has; its numbers go on from there."""
        if self._file < 0:
            return
        for row in range(self._rows):
            try:  # the kernel lets go of it with the process: fcntl_locking(2)
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            self._row = self._all[row * self._width : (row + 1) * self._width]
            return
        raise Fault("More processes count than there is room for.")

    def note_short(
        self, status: int, sent: int, asked: str | None, seconds: float
    ) -> None:
        """Count a GET of the first route that went out in one piece.

        sent are the bytes of its body, asked is its Range header.
        """
        row = self._row
        place = self._short + (status // 100 - 1) * WIDTH
        row[place + bisect_left(BOUNDS, seconds)] += 1
        row[place + WIDTH - 1] += int(seconds * 1e6)
        row[self._sent] += sent
        row[self._ranges + find_kind(asked, status)] += 1

    def note(
        self, route: int, status: int, sent: int, seconds: tuple[float, float]
    ) -> None:
        """Count an answer: its bytes, seconds to the first of them and to the end."""
        row = self._row
        requests = self.place["requests"] + route * len(CLASSES)
        row[requests + status // 100 - 1] += 1
        row[self._sent + route] += sent
        for name, each in zip(("first_byte", "duration"), seconds, strict=True):
            place = self.place[name] + route * WIDTH
            row[place + bisect_left(BOUNDS, each)] += 1
            row[place + WIDTH - 1] += int(each * 1e6)
        if status == 503:
            row[self.place["counters"]] += 1

    def note_range(self, asked: str | None, status: int) -> None:
        """Count what a GET of a video asked for."""
        self._row[self._ranges + find_kind(asked, status)] += 1

    def note_abort(self, route: int) -> None:
        """Count an answer that its client did not take whole."""
        self._row[self.place["aborted"] + route] += 1

    def publish(
        self,
        counters: Mapping[str, int],
        gauges: Mapping[str, int],
        queries: Mapping[str, tuple[int, int]],
    ) -> None:
        """Take totals that this process keeps elsewhere, and what is so just now."""
        base = self.place["counters"]
        for name, value in counters.items():
            self._raise_to(base + COUNTERS.index(name), value)
        base = self.place["queries"]
        for number, name in enumerate(self.query_names):
            for offset, value in enumerate(queries.get(name, ())):
                self._raise_to(base + 2 * number + offset, value)
        base = self.place["gauges"]
        for name, value in {**gauges, "published": int(time())}.items():
            self._row[base + GAUGES.index(name)] = value

    def _raise_to(self, place: int, value: int) -> None:
        self._row[place] += value - self._told.get(place, 0)
        self._told[place] = value

    def read(self) -> list[int]:
        """Return the sums over all processes, past ones too; of gauges over present."""
        width, gauges = self._width, self.place["gauges"]
        rows = [self._all[n * width : (n + 1) * width] for n in range(self._rows)]
        totals = [sum(numbers) for numbers in zip(*rows, strict=True)]
        fresh = time() - FRESH_SECONDS
        present = [row for row in rows if row[width - 1] >= fresh]
        for place in range(gauges, width):
            totals[place] = sum(row[place] for row in present)
        totals[width - 1] = len(present)
        self._add_short(totals)
        return totals

    def _add_short(self, totals: list[int]) -> None:
        """Count short answers among those of their route."""
        for number in range(len(CLASSES)):
            start = self._short + number * WIDTH
            numbers = totals[start : start + WIDTH]
            totals[self.place["requests"] + number] += sum(numbers[:-1])
            for name in ("first_byte", "duration"):
                for offset, value in enumerate(numbers):
                    totals[self.place[name] + offset] += value


def find_kind(asked: str | None, status: int) -> int:
    """Return which of KINDS a GET with this Range header was, by the answer."""
    if status == 206 and asked:
        if "," in asked:
            return 4
        if "=-" in asked:
            return 3
        return 2 if asked.endswith("-") else 1
    if status == 200:
        return 6 if asked else 0
    return 5 if status == 416 else 7


METRICS: web.AppKey[Metrics] = web.AppKey("metrics")
