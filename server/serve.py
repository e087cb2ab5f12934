"""The commands that run the server: serve, and demo with sample clips."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import psycopg2
import uvloop
from psycopg2.extensions import parse_dsn

from server.admin.spool import opening_spool
from server.app import build_app, build_metrics
from server.demo.seed import seed
from server.errors import Fault
from server.library.clips.selftest import check_beside
from server.library.output import announce
from server.postgres import embedded, migrations
from server.postgres.budget import begin_budget
from server.postgres.embedded.revival import add_revival
from server.postgres.plain import Unreachable, explain_connecting, first_line
from server.postgres.pool import Database, DatabaseAway, StatementTimeout
from server.postgres.refusals import find_remedy
from server.postgres.target import open_database
from server.reading.store import check_columns
from server.serving.clients import pick_limits
from server.serving.listen import address, bind, serve, share
from server.telemetry.server_logs import open_logs, redirect_errors
from server.video.pacing import Pacer
from server.video.watch import Watch

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Callable
    from pathlib import Path

START_SECONDS = 2.0  # to wait for the database before serving without it


def run_demo(options: argparse.Namespace) -> int:
    """Show the main job on sample clips; never in a database of the user's."""
    redirect_errors()
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        seed(url)
        return _serve(options, url, workers=1, cache_mb=0, watch=Watch())


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    redirect_errors()
    with open_database(options) as url:
        check_schema(url)
        workers, cache_mb = options.workers, options.cache_mb
        return _serve(options, url, workers=workers, cache_mb=cache_mb, watch=None)


def _serve(
    options: argparse.Namespace,
    url: str,
    *,
    workers: int,
    cache_mb: int,
    watch: Watch | None,
) -> int:
    listening = bind(options.host, options.port, search=watch is not None)
    if listening.getsockname()[1] != options.port != 0:
        announce(f"Port {options.port} is taken, so this is the next free one.")
    banner = f"bytereel is at {address(listening)} (Ctrl-C stops it)"
    connections = max(options.connections // workers, 1)
    cache_bytes = cache_mb * 1_000_000 // workers

    metrics = build_metrics(1 if workers == 1 else 3 * workers)  # reloads overlap
    form, path = options.access_log, options.access_log_file
    logs = open_logs(form, path, options.trusted_proxies)
    limits = pick_limits(options, workers)

    def run(
        listening: socket.socket, ready: Callable[[], None], spool: Path | None = None
    ) -> None:
        metrics.claim()
        app = build_app(
            url,
            connections=connections,
            answer_seconds=options.answer_seconds,
            cache_bytes=cache_bytes,
            watch=watch,
            admin_token=options.admin_token,
            spool=spool,
            metrics=metrics,
            log=logs.access,
            pacer=Pacer(options.pace, options.pace_whom),
            workers=workers,
            limits=limits,
        )
        if url != getattr(options, "database_url", ""):
            add_revival(app, options.data_dir, url)
        loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        with logs.writing(), listening, loop as runner:
            runner.run(serve(app, listening, ready))

    def tell() -> None:
        check_beside()
        logs.announce(banner)

    if workers == 1:
        run(listening, tell)
    else:
        sockets = share(listening, workers)
        supervise(run, sockets, tell, with_spool=bool(options.admin_token))
    return 0


def supervise(
    run: Callable[..., None],
    sockets: list[socket.socket],
    ready: Callable[[], None],
    *,
    with_spool: bool,
) -> None:
    """Have one process for each socket; with_spool gives them a folder in common."""
    if sys.platform != "linux":
        raise Fault("more than one worker needs Linux: leave --workers at 1")
    from server.serving.workers import Workers  # can't be imported elsewhere

    with opening_spool() if with_spool else nullcontext() as spool:
        Workers(partial(run, spool=spool), sockets).supervise(ready)


def check_schema(url: str) -> None:
    """Raise Fault when the database has nothing to serve.

    It may be away, busy or far, though: then that is told, and serving begins.
    """
    loop = asyncio.new_event_loop()  # whose end waits for no thread, as a Runner's does
    try:
        loop.run_until_complete(look_at_columns(url))
    except psycopg2.ProgrammingError as error:
        raise Fault(
            f"the database has no videos to serve ({first_line(error)}): "
            f"{find_remedy(error)}"
        ) from error
    except (DatabaseAway, psycopg2.Error) as error:
        said = error.__cause__ or error
        if isinstance(error, StatementTimeout):
            reason = f"the database has not answered within {START_SECONDS:.0f} seconds"
        else:
            line = first_line(said) if isinstance(said, psycopg2.Error) else str(said)
            fault = explain_connecting(parse_dsn(url), line or "no answer in time")
            if not isinstance(fault, Unreachable):
                raise fault from None
            reason = str(fault)
        logging.warning("%s; answering 503 until then", reason)
    finally:
        loop.close()


async def look_at_columns(url: str) -> None:
    """Raise what PostgreSQL says about the columns; wait START_SECONDS at most."""
    seconds = START_SECONDS
    database = Database(
        url, connections=1, wait_seconds=seconds, statement_seconds=seconds
    )
    await database.open()
    try:
        begin_budget(seconds)
        await check_columns(database)
    finally:
        await database.close()
