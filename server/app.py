"""The application: what is opened at its start and closed at its end."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from aiohttp import web

from server.admin.lifecycle import add_admin
from server.admin.saving import COMPRESSION, UNCOMPRESSED, Compression
from server.api.errors import build_error_response
from server.api.health import keep_readiness
from server.api.troubles import TROUBLES, Troubles, explain_trouble
from server.hls.layouts import keep_layouts
from server.hls.offering import HLS_SECONDS
from server.library.levels.processes import Encoders
from server.pages.hls_js import HLS_JS, HlsJs
from server.postgres.budget import begin_budget
from server.postgres.pool import Database
from server.postgres.queries import queries
from server.practice.batch import LEFT_OUT, LeftOut
from server.practice.play_counts import PLAYBACK, PLAYS
from server.practice.tally import Tally, keep
from server.practice.view_counts import TALLY, VIEWS
from server.reading.store import STORE, Store
from server.routes import ROUTES
from server.serving.clients import CLIENTS, LIMITS, Clients, Limits, keep_sweeping
from server.serving.connection import Connection
from server.serving.descriptors import watch_descriptors
from server.telemetry.access_log import ACCESS_LOG, AccessLog
from server.telemetry.exposition import SCRAPES, Scrapes
from server.telemetry.library_numbers import LIBRARY, Library
from server.telemetry.metrics import METRICS, Metrics
from server.telemetry.publishing import keep_published, list_labels, measure
from server.video.making import add_maker
from server.video.pacing import PACER, Pacer
from server.video.watch import WATCH, Watch, close_watch

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Lifetime = Callable[[web.Application], AsyncIterator[None]]


def build_app(
    database_url: str,
    *,
    connections: int = 10,
    answer_seconds: float = 15.0,
    cache_bytes: int = 16_000_000,
    watch: Watch | None = None,
    admin_token: str = "",
    spool: Path | None = None,
    metrics: Metrics | None = None,
    log: AccessLog | None = None,
    pacer: Pacer | None = None,
    workers: int = 1,
    limits: Limits = LIMITS,
    compression: Compression = UNCOMPRESSED,
    encoders: Encoders | None = None,
    hls_seconds: int = 0,
    hls_js: HlsJs | None = None,
) -> web.Application:
    """Return the application.

    answer_seconds bounds how long an answer may wait for the database until its head;
    watch shows on the first page what is being sent; cache_bytes bounds the chunks in
    memory, and with 0 all is read from PostgreSQL; spool is a folder for uploads that
    several applications share, and metrics are their numbers; workers is how many;
    limits are those of clients; compression is what becomes of uploads; encoders are
    processes that are to run as long as the application does; longer videos than
    hls_seconds are offered as HLS, none with 0; hls_js is for browsers that need it.
    """
    app = web.Application(middlewares=[measure, answer_errors])
    app[METRICS] = metrics or build_metrics()
    app[ACCESS_LOG] = log or AccessLog("none", ())
    app[LIBRARY], app[SCRAPES] = Library(), Scrapes()
    app[PACER], app[WATCH] = pacer or Pacer(0), watch
    app[LEFT_OUT], app[TROUBLES] = LeftOut(), Troubles()
    app[TALLY], app[PLAYBACK] = Tally(VIEWS), Tally(PLAYS)
    app[COMPRESSION] = compression
    app[HLS_SECONDS], app[HLS_JS] = hls_seconds, hls_js
    app[CLIENTS] = Clients(limits, app[ACCESS_LOG].trusted, app[METRICS])

    database = partial(
        Database, database_url, connections=connections, answer_seconds=answer_seconds
    )
    lanes = min(connections, count_lanes())
    store = partial(keep_store, database, cache_bytes, lanes)
    add_lifetimes(app, store, encoders)
    add_maker(app, database_url, workers)
    add_admin(app, database_url, admin_token, spool, workers=workers)
    app.add_routes(ROUTES)
    return app


def add_lifetimes(
    app: web.Application, store: Lifetime, encoders: Encoders | None
) -> None:
    """Have what runs beside requests begin and end with the application."""
    app.cleanup_ctx.extend(
        (
            store,
            keep_layouts,
            keep_readiness,
            keep_published,
            keep_sweeping,
            watch_descriptors,
            # These end first, and what they lost is published.
            partial(keep, TALLY),
            partial(keep, PLAYBACK),
        )
    )
    app.on_shutdown.append(close_watch)
    if encoders is not None:
        app.cleanup_ctx.append(partial(keep_encoders, encoders))


async def keep_store(
    build: Callable[[], Database], cache_bytes: int, lanes: int, app: web.Application
) -> AsyncIterator[None]:
    """Open the database and what is read through it."""
    database = build()
    await database.open()
    app[STORE] = Store(database, cache_bytes=cache_bytes, lanes=lanes)
    yield
    await database.close()


async def keep_encoders(
    encoders: Encoders, app: web.Application
) -> AsyncIterator[None]:
    """Run encoders, and start those anew that end."""

    async def repeat() -> None:
        while True:
            encoders.keep()
            await asyncio.sleep(1)

    task = asyncio.create_task(repeat())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def count_lanes() -> int:
    """Return how many statements may read at a time; of more each would share less.

    On two cores or one, PostgreSQL has no time for a second beside the first.
    """
    return 1 if (os.cpu_count() or 1) <= 2 else 2


def build_metrics(processes: int = 1) -> Metrics:
    """Return room for the numbers of processes, to be made before there are any."""
    return Metrics(list_labels(ROUTES), list(queries()), processes)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error its one shape."""
    try:
        limit_waits(request)
        response = await handler(request)
        if response.status < 500:
            request.app[TROUBLES].settle(request)
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return build_error_response(
            error.status, f"{error.reason}: {request.method} {request.path}", allow
        )
    except Exception as error:
        sentence = explain_trouble(error)
        if sentence is None:
            _log.exception("%s %s failed", request.method, request.path)
            return build_error_response(500, "Internal server error")
        request.app[TROUBLES].note(sentence, request, error)
        return build_error_response(503, sentence)


def limit_waits(request: web.Request) -> None:
    """Let the answer wait for the database as long as one may.

    Raises DatabaseAway if the short way has waited for it in vain.
    """
    connection, used = request.protocol, 0.0
    if isinstance(connection, Connection):
        used = connection.recall_wait()
    begin_budget(request.app[STORE].database.answer_seconds, used)
