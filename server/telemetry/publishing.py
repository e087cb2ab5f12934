"""What is counted comes into the metrics, and each answer into the access log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from server.hls.layouts import LAYOUTS
from server.postgres.queries import queries
from server.practice.batch import LEFT_OUT
from server.practice.play_counts import COLUMNS, PLAYBACK
from server.practice.view_counts import TALLY
from server.reading.store import STORE
from server.telemetry.access_log import ACCESS_LOG, pick_request_id
from server.telemetry.cmcd import find_cmcd
from server.telemetry.log_lines import Outcome
from server.telemetry.metrics import METRICS, OTHER, VIDEO
from server.video.sending import Sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from server.telemetry.metrics import Metrics

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLISH_SECONDS = 0.5


def list_labels(routes: Iterable[web.RouteDef]) -> list[str]:
    """Return the routes as metrics call them, each once."""
    paths = [web.DynamicResource(route.path).canonical for route in routes]
    return list(dict.fromkeys(map(_label, paths)))


def _label(canonical: str) -> str:
    return VIDEO if canonical == VIDEO + ".mp4" else canonical


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what becomes of the request, and log it if that is wanted."""
    began = perf_counter()
    log = request.app[ACCESS_LOG]
    request_id = pick_request_id(request.headers) if log.wanted else ""
    response = await handler(request)
    outcome = _find_outcome(request, response, began)
    _note(request, request.app[METRICS], outcome)
    if log.wanted:
        if not response.prepared and "public" not in response.headers.get(
            "Cache-Control", ""
        ):  # what caches keep would tell others a name that is not theirs
            response.headers["X-Request-ID"] = request_id
        peer = request.transport and request.transport.get_extra_info("peername")
        asked = request.method, request.raw_path, request.headers
        log.note(asked, peer, outcome, request_id)
    return response


def _find_outcome(
    request: web.Request, response: web.StreamResponse, began: float
) -> Outcome:
    """Return what is known of the answer; aiohttp still has to send most of them."""
    seconds = perf_counter() - began
    if isinstance(response, Sent):
        first = seconds if response.begun_at is None else response.begun_at - began
        return Outcome(
            response.status, response.body_bytes, first, seconds, response.whole
        )
    length = 0 if request.method == "HEAD" else response.content_length or 0
    return Outcome(response.status, length, seconds, seconds)


def _note(request: web.Request, metrics: Metrics, outcome: Outcome) -> None:
    resource = request.match_info.route.resource
    route = OTHER if resource is None else _label(resource.canonical)
    if route not in metrics.routes:
        route = OTHER
    seconds = outcome.first_byte, outcome.duration
    metrics.note(route, outcome.status, outcome.bytes, seconds)
    if not outcome.complete:
        metrics.note_abort(route)
    if route == VIDEO and request.method == "GET":
        metrics.note_range(request.headers.get("Range"), outcome.status)
    if route.startswith(VIDEO) and request.method == "GET":
        metrics.note_cmcd(find_cmcd(request.raw_path, request.headers))


def publish(app: web.Application) -> None:
    """Tell what store, database, layouts, tallies and batches have counted."""
    store, layouts = app[STORE], app[LAYOUTS]
    cache, database = store.cache, store.database
    pool = database.counts
    spent = database.spent
    app[METRICS].publish(
        counters={
            **_name_plays(app[PLAYBACK].totals),
            "playback_lost": app[PLAYBACK].lost,
            "plays": app[TALLY].totals[0],
            "views_lost": app[TALLY].lost,
            "words_left_out": app[LEFT_OUT].words,
            "questions_left_out": app[LEFT_OUT].questions,
            "log_lines_dropped": app[ACCESS_LOG].dropped,
            "cache_hits": cache.hits,
            "cache_misses": cache.misses,
            "cache_waits": store.waits,
            "cache_evictions": cache.evictions,
            "layouts_made": layouts.made,
            "layouts_evicted": layouts.evictions,
            "pool_waits": database.waits,
            "pool_wait_microseconds": round(database.waited_seconds * 1e6),
            "pool_timeouts": database.timeouts,
        },
        gauges={
            "cache_bytes": cache.held_bytes,
            "cache_limit_bytes": cache.limit_bytes,
            "connections_open": pool.open,
            "connections_in_use": pool.in_use,
            "reads_waiting": pool.waiting,
            "stalled_clients": store.stalled,
            "views_waiting": app[TALLY].waiting,
            "playback_waiting": app[PLAYBACK].waiting,
            "layout_bytes": layouts.held_bytes,
            "layout_limit_bytes": layouts.limit_bytes,
        },
        queries={
            name: (times, round(seconds * 1e6))
            for name, text in queries().items()
            for times, seconds in (spent.get(text, (0, 0.0)),)
            if times
        },
        hls=layouts.answers,
    )


def _name_plays(totals: Sequence[int]) -> dict[str, int]:
    sums = {f"playback_{name}": totals[n] for n, name in enumerate(COLUMNS)}
    buckets = enumerate(totals[len(COLUMNS) :])
    return sums | {f"first_frames_{place}": count for place, count in buckets}


async def keep_published(app: web.Application) -> AsyncIterator[None]:
    """Publish what this worker has counted every PUBLISH_SECONDS, and at its end."""

    async def repeat() -> None:
        while True:
            with suppress(MemoryError):  # which must not end it
                publish(app)
                await asyncio.sleep(PUBLISH_SECONDS)

    task = asyncio.create_task(repeat())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    publish(app)
