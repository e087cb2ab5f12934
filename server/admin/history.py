"""The last hour of the server's own numbers, for the page that draws them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from aiohttp import web

from server.admin.listing import answer
from server.admin.token import guarded
from server.api.bodies import parse_query
from server.postgres.pool import DatabaseAway
from server.postgres.queries import queries
from server.reading.store import STORE
from server.telemetry.library_numbers import LIBRARY
from server.telemetry.metrics import BOUNDS, CLASSES, METRICS, VIDEO, Metrics, Totals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

STEP_SECONDS = 10
POINTS = 360
SHARES = (0.5, 0.95, 0.99)


class Point(NamedTuple):
    """What happened in one step."""

    at: int  # seconds since the epoch, at the end
    requests: int  # of all routes
    client_errors: int
    server_errors: int
    video_requests: int
    video_bytes: int
    first_byte_ms: list[float | None]  # of videos: p50, p95, p99
    plays: int  # that pages and apps reported


class Day(NamedTuple):
    """A row of list_days."""

    day: str  # of UTC, as 2026-01-31
    started: int  # plays
    completed: int
    video_bytes: int  # of the videos that were there at its end


class History:
    """Points of the last hour, from readings of the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._before = metrics.read()
        self.points: deque[Point] = deque(maxlen=POINTS)

    def note(self, at: int) -> None:
        """Add what has happened since the last time."""
        now = self._metrics.read()
        grown, self._before = now.since(self._before), now
        self.points.append(read_point(grown, self._metrics.routes, at))


def read_point(grown: Totals, routes: Collection[str], at: int) -> Point:
    """Return the point for what the numbers have grown by."""
    answers = {
        status: [grown["requests", route, status] for route in routes]
        for status in CLASSES
    }
    first_byte, _ = grown.histogram("first_byte", VIDEO)
    return Point(
        at,
        sum(map(sum, answers.values())),
        sum(answers["4xx"]),
        sum(answers["5xx"]),
        sum(grown["requests", VIDEO, status] for status in CLASSES),
        grown["sent_bytes", VIDEO],
        [find_quantile(first_byte, share) for share in SHARES],
        grown["counters", "plays"],
    )


def find_quantile(counts: Sequence[int], share: float) -> float | None:
    """Return milliseconds below which a share of what is in the buckets lies.

    Within a bucket it is taken to be spread evenly; above the last bound nothing is
    known but that bound.
    """
    total = sum(counts)
    if not total:
        return None
    below, wanted = 0, share * total
    low = 0.0
    for count, high in zip(counts, BOUNDS, strict=False):
        if count and below + count >= wanted:
            return round(1000 * (low + (high - low) * (wanted - below) / count), 3)
        below += count
        low = high
    return 1000 * BOUNDS[-1]


def estimate_edge(points: Sequence[Point], mean_bytes: float) -> float | None:
    """Return which share of the plays' bytes an edge has sent instead of us.

    Every play takes its clip about once, from an edge or from here.
    """
    expected = sum(point.plays for point in points) * mean_bytes
    if not expected:
        return None
    ours = sum(point.video_bytes for point in points)
    return round(max(1 - ours / expected, 0.0), 4)


HISTORY: web.AppKey[History] = web.AppKey("history")


async def keep_history(app: web.Application) -> AsyncIterator[None]:
    """Add a point in every step, as long as the application runs."""
    history = app[HISTORY] = History(app[METRICS])

    async def repeat() -> None:
        while True:
            await asyncio.sleep(STEP_SECONDS - time() % STEP_SECONDS)
            history.note(round(time()))

    task = asyncio.create_task(repeat())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@guarded
async def get_history(request: web.Request) -> web.Response:
    """Answer with the last hour, and four weeks of plays and of the table."""
    parse_query(request)
    app = request.app
    days, _ = await asyncio.gather(list_days(app), app[LIBRARY].refresh(app))
    videos, stored, table = app[LIBRARY].numbers or (0, 0, None)
    mean_bytes = stored / videos if videos else 0
    points = list(app[HISTORY].points)
    response = answer(
        {
            "step_seconds": STEP_SECONDS,
            "points": [point._asdict() for point in points],
            "edge_ratio": estimate_edge(points, mean_bytes),
            "mean_bytes": round(mean_bytes),
            "table_bytes": table,
            "days": days,
        }
    )
    response.enable_compression()  # to a tenth
    return response


async def list_days(app: web.Application) -> list[dict[str, object]]:
    """Return the last 28 days, today last; none while the database is away."""
    try:
        rows = await app[STORE].database.fetch(queries()["list_days"], {})
    except (DatabaseAway, psycopg2.Error):
        return []
    return [Day(*row)._asdict() for row in rows]
