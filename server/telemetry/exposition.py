"""GET /metrics: what was counted, as Prometheus reads it."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from server.hls.layouts import KINDS as HLS_KINDS
from server.telemetry.buckets import accumulate
from server.telemetry.library_numbers import LIBRARY, collect_library
from server.telemetry.metrics import (
    BOUNDS,
    CLASSES,
    METRICS,
    REASONS,
)
from server.telemetry.player_numbers import collect_playback, collect_told
from server.telemetry.publishing import publish
from server.telemetry.range_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from server.telemetry.library_numbers import Library
    from server.telemetry.metrics import Metrics

PAUSE_SECONDS = 0.2  # between two answers: whoever asks on and on costs others little

_COUNTED = {
    "unavailable": "Responses with status 503 of a route",
    "cache_hits": "Chunks that were read from memory",
    "cache_misses": "Chunks that were not in memory",
    "cache_waits": "Chunks that another request was already reading",
    "cache_evictions": "Chunks that were dropped from memory to make room",
    "layouts_made": "Layouts for HLS that were made of a video's index",
    "layouts_evicted": "Layouts for HLS that were dropped from memory to make room",
    "pool_waits": "Queries that waited for a connection",
    "pool_timeouts": "Queries that waited for a connection and got none",
    "plays": "Plays that pages and apps reported as begun",
    "views_lost": "Views that were accepted and could not be written",
    "words_left_out": "Due words that batches left out for lack of a definition",
    "questions_left_out": "Questions that batches left out as apps cannot decode them",
    "log_lines_dropped": "Lines of logs that nobody read or that could not be written",
    "refusals_delayed": "Refusals that waited, as their client address had many",
}
_PRESENT = {
    "cache_bytes": "Bytes of video in memory",
    "cache_limit_bytes": "Bytes of video that may be in memory at most",
    "layout_bytes": "Bytes of layouts for HLS in memory",
    "layout_limit_bytes": "Bytes of layouts that may be in memory",
    "connections_open": "Open connections to PostgreSQL",
    "connections_in_use": "Connections to PostgreSQL that are running a query",
    "reads_waiting": "Queries that are waiting for a connection",
    "stalled_clients": "Clients that have not yet taken all that was written",
    "playback_waiting": "Reports of plays that were accepted and are not in the table",
    "views_waiting": "Views that were accepted and are not in the table yet",
}


class Counted(Collector):
    """Turns one reading of the numbers into families of samples."""

    def __init__(self, metrics: Metrics, library: Library) -> None:
        self._metrics = metrics
        self._totals = metrics.read()
        self._library = library

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._collect_answers()
        yield from self._collect_ranges()
        yield from collect_told(self._totals)
        yield from self._collect_closed()
        yield from self._collect_queries()
        yield from collect_playback(self._totals)
        yield from self._collect_plain()
        yield from collect_library(self._library)

    def _collect_answers(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "bytereel_requests",
            "Responses, by class of status",
            labels=["route", "status"],
        )
        sent = CounterMetricFamily(
            "bytereel_sent_bytes", "Bytes of response bodies", labels=["route"]
        )
        aborted = CounterMetricFamily(
            "bytereel_aborted",
            "Responses that clients did not take whole",
            labels=["route"],
        )
        first = HistogramMetricFamily(
            "bytereel_first_byte_seconds",
            "Time to the first byte of a response",
            labels=["route"],
        )
        whole = HistogramMetricFamily(
            "bytereel_request_seconds",
            "Time to the last byte of a response",
            labels=["route"],
        )
        for route in self._metrics.routes:
            answers = {each: self._totals["requests", route, each] for each in CLASSES}
            for status, count in answers.items():
                if count:
                    requests.add_metric([route, status], count)
            if not any(answers.values()):
                continue
            sent.add_metric([route], self._totals["sent_bytes", route])
            aborted.add_metric([route], self._totals["aborted", route])
            for family, name in ((first, "first_byte"), (whole, "duration")):
                counts, microseconds = self._totals.histogram(name, route)
                buckets = accumulate(counts, BOUNDS)
                family.add_metric([route], buckets, microseconds / 1e6)
        yield from (requests, sent, aborted, first, whole)

    def _collect_ranges(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "bytereel_ranges",
            "GET requests of videos, by what they asked for",
            labels=["kind"],
        )
        for kind in KINDS:
            family.add_metric([kind], self._totals["ranges", kind])
        yield family
        family = CounterMetricFamily(
            "bytereel_hls_answers",
            "GET requests of files for HLS players, by what they got",
            labels=["kind"],
        )
        for kind in HLS_KINDS:
            family.add_metric([kind], self._totals["hls", kind])
        yield family

    def _collect_closed(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "bytereel_connections_closed",
            "Connections that the server closed or refused, by reason",
            labels=["reason"],
        )
        for reason in REASONS:
            family.add_metric([reason], self._totals["closed", reason])
        yield family

    def _collect_queries(self) -> Iterator[Metric]:
        family = SummaryMetricFamily(
            "bytereel_query_seconds",
            "Time of queries, with the wait for a connection",
            labels=["query"],
        )
        for name in self._metrics.query_names:
            times = self._totals["queries", name, "times"]
            microseconds = self._totals["queries", name, "microseconds"]
            if times:
                family.add_metric([name], times, microseconds / 1e6)
        yield family

    def _collect_plain(self) -> Iterator[Metric]:
        totals = self._totals
        for name, text in _COUNTED.items():
            count = totals["counters", name]
            yield CounterMetricFamily(f"bytereel_{name}", text, count)
        yield CounterMetricFamily(
            "bytereel_pool_wait_seconds",
            "Time that queries waited for a connection",
            totals["counters", "pool_wait_microseconds"] / 1e6,
        )
        for name, text in _PRESENT.items():
            yield GaugeMetricFamily(f"bytereel_{name}", text, totals["gauges", name])
        workers = totals["gauges", "published"]
        yield GaugeMetricFamily(
            "bytereel_workers", "Worker processes that are running", workers
        )


class Scrapes:
    """Has one answer made at a time, for all who asked before its numbers were read.

    That takes some ms of the event loop, so there is a pause before the next.
    """

    def __init__(self) -> None:
        self._coming: dict[str, asyncio.Task[bytes]] = {}  # by content type
        self._turn = asyncio.Lock()
        self._free_at = 0.0  # by monotonic

    def ask(
        self, app: web.Application, encode: Callable[[Collector], bytes], kind: str
    ) -> asyncio.Future[bytes]:
        """Return a future of the numbers as they are from now on."""
        task = self._coming.get(kind)
        if task is None:
            task = asyncio.create_task(self._render(app, encode, kind))
            self._coming[kind] = task
        return asyncio.shield(task)

    async def _render(
        self, app: web.Application, encode: Callable[[Collector], bytes], kind: str
    ) -> bytes:
        try:
            async with self._turn:
                await asyncio.sleep(self._free_at - monotonic())
                self._free_at = monotonic() + PAUSE_SECONDS
            await app[LIBRARY].refresh(app)
        finally:
            del self._coming[kind]
        publish(app)
        registry = CollectorRegistry()
        registry.register(Counted(app[METRICS], app[LIBRARY]))
        return encode(registry)


async def get_metrics(request: web.Request) -> web.Response:
    """Answer with all numbers of all workers."""
    encode, kind = choose_encoder(request.headers.get("Accept", ""))
    body = await request.app[SCRAPES].ask(request.app, encode, kind)
    headers = {"Content-Type": kind, "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)


SCRAPES: web.AppKey[Scrapes] = web.AppKey("scrapes")
