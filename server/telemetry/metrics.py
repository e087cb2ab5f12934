"""What the server counts, in memory that its workers share.

A process adds to a row of numbers of its own, which outlives it, so that nothing is
lost when a worker is replaced. Reading sums the rows.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left
from itertools import accumulate
from time import time
from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import Fault
from server.hls.layouts import KINDS as HLS_KINDS
from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.practice.play_counts import COLUMNS as PLAY_COLUMNS
from server.telemetry.cmcd import CLASSES as RATE_CLASSES
from server.telemetry.cmcd import THROUGHPUTS, find_class
from server.telemetry.range_kinds import KINDS, find_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from server.telemetry.cmcd import Told

BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
"""Seconds: fine enough for a p99 within a third of what it is."""

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
REASONS = (
    *("head", "body", "stalled", "idle", "crowd", "address", "requests", "memory"),
)
"""Why the server closed a connection: its client was too slow or idle, or there were
too many of them, or of requests, or too much was held for them."""

TOLD = ("requests", "starved", "startup")
"""Of requests whose player told of itself: all, those after its buffer had run empty,
and those that it needed to start."""

COUNTERS = (
    *("unavailable", "cache_hits", "cache_misses", "cache_waits", "cache_evictions"),
    *("pool_waits", "pool_wait_microseconds", "pool_timeouts", "plays"),
    *("words_left_out", "questions_left_out", "log_lines_dropped", "views_lost"),
    *("refusals_delayed", "layouts_made", "layouts_evicted", "playback_lost"),
    *(f"playback_{name}" for name in PLAY_COLUMNS),
    *(f"first_frames_{place}" for place in range(len(FIRST_FRAME_MS) + 1)),
)
GAUGES = (
    *("cache_bytes", "cache_limit_bytes", "connections_open", "connections_in_use"),
    *("reads_waiting", "stalled_clients", "views_waiting", "published"),
    *("layout_bytes", "layout_limit_bytes", "playback_waiting"),
)
FRESH_SECONDS = 5  # gauges of a process that has not told them for so long don't count
SUM = len(BOUNDS) + 1  # where a histogram has microseconds, after its counts
WIDTH = SUM + 1
VIDEO = "/v3/videos/{id}"  # the route whose answers may be short: they go out at once
OTHER = "other"  # whatever has no route
_NUMBER = 8  # bytes

Key = tuple[str, ...]
"""The name of a number, then its labels: ("requests", "/healthz", "2xx")."""


def lay_out(
    routes: Iterable[str], queries: Iterable[str]
) -> tuple[dict[Key, int], int]:
    """Return where each number or histogram begins in a row, and how long the row is.

    Of short answers there is one histogram a status, as they have only one time: the
    first byte goes out with the last.
    """
    widths: dict[Key, int] = {("short", status): WIDTH for status in CLASSES}
    for route in routes:
        widths |= {("requests", route, status): 1 for status in CLASSES}
        widths |= {(name, route): 1 for name in ("sent_bytes", "aborted")}
        widths |= {(name, route): WIDTH for name in ("first_byte", "duration")}
    for query in queries:
        widths |= {("queries", query, part): 1 for part in ("times", "microseconds")}
    for rate in RATE_CLASSES:
        widths |= {("told", part, rate): 1 for part in TOLD}
        widths["throughput", rate] = len(THROUGHPUTS) + 2
    for name, labels in {
        "ranges": KINDS,
        "hls": HLS_KINDS,
        "closed": REASONS,
        "counters": COUNTERS,
        "gauges": GAUGES,
    }.items():
        widths |= {(name, label): 1 for label in labels}
    starts = accumulate(widths.values(), initial=0)
    return dict(zip(widths, starts, strict=False)), sum(widths.values())


class Totals:
    """Numbers as they were read, by key."""

    def __init__(self, place: Mapping[Key, int], numbers: Sequence[int]) -> None:
        self._place = place
        self._numbers = numbers

    def __getitem__(self, key: Key) -> int:
        """Return one number."""
        return self._numbers[self._place[key]]

    def histogram(self, *key: str) -> tuple[Sequence[int], int]:
        """Return the count of each bucket, the one above BOUNDS last; microseconds.

        Of throughput: above THROUGHPUTS, and kbit/s.
        """
        start = self._place[key]
        last = start + (len(THROUGHPUTS) + 1 if key[0] == "throughput" else SUM)
        return self._numbers[start:last], self._numbers[last]

    def since(self, before: Totals) -> Totals:
        """Return by how much each has grown."""
        pairs = zip(self._numbers, before._numbers, strict=True)
        return Totals(self._place, [new - old for new, old in pairs])


class Metrics:
    """Numbers by name and label; those of the process that claimed a row grow."""

    def __init__(
        self, routes: Sequence[str], queries: Sequence[str] = (), processes: int = 1
    ) -> None:
        """Make room for processes at a time, of which each has to claim its row.

        VIDEO and OTHER are counted whether routes has them or not.
        """
        self.routes = dict.fromkeys((*routes, VIDEO, OTHER)).keys()
        self.query_names = tuple(queries)
        self.place, self._width = lay_out(self.routes, self.query_names)
        self._short = {
            number: self.place["short", status]
            for number, status in enumerate(CLASSES, start=1)
        }
        self._video_bytes = self.place["sent_bytes", VIDEO]
        self._ranges = {kind: self.place["ranges", kind] for kind in KINDS}
        self._rows = processes
        # Stays empty: its locks say whose row is whose. Numbers in it would count
        # against the limit of a file's size, which memory without a file has not.
        self._locks = -1 if processes == 1 else os.memfd_create("bytereel-metrics")
        length = self._width * _NUMBER * processes
        self._all = memoryview(mmap.mmap(-1, length)).cast("q")
        self._row = self._all[: self._width]
        self._told: dict[int, int] = {}  # what was published of totals kept elsewhere

    def claim(self) -> None:
        """Take a row that no living process has; its numbers go on from there."""
        if self._locks < 0:
            return
        for row in range(self._rows):
            try:  # the kernel lets go of it with the process: fcntl_locking(2)
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            self._row = self._all[row * self._width : (row + 1) * self._width]
            return
        raise Fault("too many processes for the shared numbers: restart the server")

    def note_short(
        self, status: int, sent: int, asked: str | None, seconds: float
    ) -> None:
        """Count a GET of VIDEO that went out in one piece.

        sent are the bytes of its body, asked is its Range header.
        """
        row = self._row
        start = self._short[status // 100]
        row[start + bisect_left(BOUNDS, seconds)] += 1
        row[start + SUM] += int(seconds * 1e6)
        row[self._video_bytes] += sent
        row[self._ranges[find_kind(asked, status)]] += 1

    def note(
        self, route: str, status: int, sent: int, seconds: tuple[float, float]
    ) -> None:
        """Count an answer: its bytes, seconds to the first of them and to the end.

        A 503 is unavailable only with a route: others are refused for their number.
        """
        row, place = self._row, self.place
        row[place["requests", route, CLASSES[status // 100 - 1]]] += 1
        row[place["sent_bytes", route]] += sent
        for name, each in zip(("first_byte", "duration"), seconds, strict=True):
            start = place[name, route]
            row[start + bisect_left(BOUNDS, each)] += 1
            row[start + SUM] += int(each * 1e6)
        if status == 503 and route != OTHER:
            row[place["counters", "unavailable"]] += 1

    def note_range(self, asked: str | None, status: int) -> None:
        """Count what a GET of VIDEO asked for."""
        self._row[self._ranges[find_kind(asked, status)]] += 1

    def note_cmcd(self, told: Told) -> None:
        """Count what the player of a video told of itself, if anything."""
        if not told:
            return
        row, place, rate = self._row, self.place, find_class(told)
        row[place["told", "requests", rate]] += 1
        row[place["told", "starved", rate]] += told.get("bs", False) is True
        row[place["told", "startup", rate]] += told.get("su", False) is True
        measured = told.get("mtp")
        if isinstance(measured, int):
            start = place["throughput", rate]
            row[start + bisect_left(THROUGHPUTS, measured)] += 1
            row[start + len(THROUGHPUTS) + 1] += measured

    def note_abort(self, route: str) -> None:
        """Count an answer that its client did not take whole."""
        self._row[self.place["aborted", route]] += 1

    def note_closed(self, reason: str) -> None:
        """Count a connection that the server closed for one of REASONS."""
        self._row[self.place["closed", reason]] += 1

    def note_delayed(self) -> None:
        """Count a refusal that had to wait."""
        self._row[self.place["counters", "refusals_delayed"]] += 1

    def publish(
        self,
        counters: Mapping[str, int],
        gauges: Mapping[str, int],
        queries: Mapping[str, tuple[int, int]],
        hls: Mapping[str, int] = {},
    ) -> None:
        """Take what this process counts elsewhere.

        counters, queries (how many, microseconds) and hls are totals since it began,
        gauges are what is so now.
        """
        for name, value in hls.items():
            self._raise_to(("hls", name), value)
        for name, value in counters.items():
            self._raise_to(("counters", name), value)
        for name, (times, microseconds) in queries.items():
            self._raise_to(("queries", name, "times"), times)
            self._raise_to(("queries", name, "microseconds"), microseconds)
        for name, value in {**gauges, "published": int(time())}.items():
            self._row[self.place["gauges", name]] = value

    def _raise_to(self, key: Key, value: int) -> None:
        place = self.place[key]
        self._row[place] += value - self._told.get(place, 0)
        self._told[place] = value

    def read(self) -> Totals:
        """Return the sums over all processes, past ones too; of gauges over present.

        The gauge "published" becomes the number of the processes that are present.
        """
        width = self._width
        rows = [self._all[n * width : (n + 1) * width] for n in range(self._rows)]
        numbers = [sum(column) for column in zip(*rows, strict=True)]
        published, fresh = self.place["gauges", "published"], time() - FRESH_SECONDS
        present = [row for row in rows if row[published] >= fresh]
        for name in GAUGES:
            place = self.place["gauges", name]
            numbers[place] = sum(row[place] for row in present)
        numbers[published] = len(present)
        self._add_short(numbers)
        return Totals(self.place, numbers)

    def _add_short(self, numbers: list[int]) -> None:
        """Count short answers among those of their route."""
        for status in CLASSES:
            start = self.place["short", status]
            short = numbers[start : start + WIDTH]
            numbers[self.place["requests", VIDEO, status]] += sum(short[:SUM])
            for name in ("first_byte", "duration"):
                first = self.place[name, VIDEO]
                for offset, value in enumerate(short):
                    numbers[first + offset] += value


METRICS: web.AppKey[Metrics] = web.AppKey("metrics")
