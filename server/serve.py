"""The commands that run the server: serve, and demo with sample clips."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import uvloop
from psycopg2.extensions import parse_dsn

from server.admin.saving import plan_compression
from server.admin.spool import opening_spool
from server.api.migrating import add_migrating
from server.app import build_app, build_metrics
from server.demo.seed import seed
from server.errors import Fault
from server.library.clips.selftest import check_beside
from server.library.imports.importer import OFF
from server.library.levels.processes import Encoders
from server.library.output import announce
from server.pages.hls_js import read_hls_js
from server.postgres import embedded, migrations
from server.postgres.budget import begin_budget
from server.postgres.embedded.revival import add_revival
from server.postgres.plain import Unreachable, explain_connecting, first_line
from server.postgres.pool import Database, DatabaseAway, StatementTimeout
from server.postgres.refusals import find_remedy
from server.postgres.target import open_serving
from server.reading.store import check_columns
from server.serving.clients import pick_limits
from server.serving.listen import bind
from server.serving.listening import Listening, share
from server.serving.process import serve
from server.serving.systemd import Notifier, take_sockets
from server.serving.unix_socket import bind_unix
from server.telemetry.server_logs import open_logs, redirect_errors
from server.video.pacing import Pacer
from server.video.watch import Watch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from server.admin.saving import Compression
    from server.pages.hls_js import HlsJs
    from server.serving.clients import Limits
    from server.telemetry.metrics import Metrics
    from server.telemetry.server_logs import ServerLogs

START_SECONDS = 2.0  # to wait for the database before serving without it


def run_demo(options: argparse.Namespace) -> int:
    """Show the main job on sample clips; never in a database of the user's."""
    redirect_errors()
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        seed(url)
        found = bind(options.host, options.port, search=True)
        if found.getsockname()[1] != options.port != 0:
            announce(f"Port {options.port} is taken, so this is the next free one.")
        options.workers, options.cache_mb = 1, 0
        options.encoders, options.compress, options.levels = 0, OFF, ()
        listening = Listening(found)
        with listening.stopping():
            return _serve(options, url, listening, lambda: None, Watch())


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    redirect_errors()
    given, notifier = take_sockets(), Notifier()  # before a process inherits them
    with open_serving(options) as (url, held):
        if not held:
            check_schema(url)
        listening = given or _listen(options)
        with listening.stopping():
            notify = partial(notifier.tell, "READY=1")
            return _serve(options, url, listening, notify, held=held)


def _listen(options: argparse.Namespace) -> Listening:
    shared = options.share_port == "yes"
    if options.socket:
        return bind_unix(options.socket, shared=shared)
    return Listening(bind(options.host, options.port, shared=shared))


class Common(NamedTuple):
    """What all processes of a server have in common, made before they begin."""

    url: str
    alone: bool  # it is the only process
    metrics: Metrics
    logs: ServerLogs
    limits: Limits
    compression: Compression
    encoders: Encoders | None
    hls_js: HlsJs | None
    watch: Watch | None
    held: str  # why a migration waits


def _prepare(
    options: argparse.Namespace, url: str, watch: Watch | None, held: str
) -> Common:
    workers = options.workers
    # A crash in C code, as for lack of memory, would end a process that is alone.
    alone = workers == 1 and (watch is not None or sys.platform != "linux")
    form, path = options.access_log, options.access_log_file
    return Common(
        url,
        alone,
        build_metrics(1 if alone else 3 * workers),  # reloads overlap
        open_logs(form, path, options.trusted_proxies),
        pick_limits(options, workers),
        plan_compression(options.compress, options.levels),
        Encoders(url, options.encoders) if options.encoders else None,
        read_hls_js(options.hls_js) if options.hls_js else None,
        watch,
        held,
    )


def _serve(
    options: argparse.Namespace,
    url: str,
    listening: Listening,
    notify: Callable[[], object],
    watch: Watch | None = None,
    held: str = "",
) -> int:
    banner = f"bytereel is at {', '.join(listening.addresses)} (Ctrl-C stops it)"
    common = _prepare(options, url, watch, held)
    alone, encoders = common.alone, common.encoders

    def run(
        listening: Listening,
        ready: Callable[[], None],
        leaving: Callable[[], None] = lambda: None,
        spool: Path | None = None,
    ) -> float:
        common.metrics.claim()
        app = _build(options, common, spool)
        loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        with common.logs.writing(), listening, loop as runner:
            return runner.run(serve(app, listening, ready, leaving, alone=alone))

    def tell() -> None:
        check_beside()
        listening.publish()
        common.logs.announce(banner)
        notify()

    try:
        if alone:
            told = run(listening, tell)
        else:
            shares = share(listening, options.workers)
            told = supervise(
                run,
                shares,
                tell,
                with_spool=bool(options.admin_token),
                encoders=encoders,
            )
        embedded.count_from(told)
    finally:
        if encoders:
            encoders.stop()
    return 0


def _build(
    options: argparse.Namespace, common: Common, spool: Path | None
) -> web.Application:
    """Return the application of one process, which has its share of all limits."""
    url, workers = common.url, options.workers
    app = build_app(
        url,
        connections=max(options.connections // workers, 1),
        answer_seconds=options.answer_seconds,
        cache_bytes=options.cache_mb * 1_000_000 // workers,
        watch=common.watch,
        admin_token=options.admin_token,
        spool=spool,
        metrics=common.metrics,
        log=common.logs.access,
        pacer=Pacer(options.pace, options.pace_whom),
        workers=workers,
        limits=common.limits,
        compression=common.compression,
        encoders=common.encoders if common.alone else None,
        hls_seconds=options.hls_seconds,
        hls_js=common.hls_js,
    )
    if url != getattr(options, "database_url", ""):
        add_revival(app, options.data_dir, url)
    if common.held:
        add_migrating(app, url, common.held)
    return app


def supervise(
    run: Callable[..., object],
    shares: list[Listening],
    ready: Callable[[], None],
    *,
    with_spool: bool,
    encoders: Encoders | None = None,
) -> float:
    """Have one process for each share until told to stop; return when that was.

    with_spool gives them a folder in common; encoders run beside them.
    """
    if sys.platform != "linux":
        raise Fault("more than one worker needs Linux: leave --workers at 1")
    from server.serving.workers import Workers  # can't be imported elsewhere

    with opening_spool() if with_spool else nullcontext() as spool:
        beside = encoders.keep if encoders else lambda: None
        workers = Workers(partial(run, spool=spool), shares, beside)
        workers.supervise(ready)
        return workers.told


def check_schema(url: str) -> None:
    """Raise Fault when the database has nothing to serve.

    It may be away, busy or far, though: then that is told, and serving begins.
    """
    _check_port(url)
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


def _check_port(url: str) -> None:
    """Raise Fault for a port that there is not: no waiting makes it one."""
    try:
        asked = parse_dsn(url)
    except (psycopg2.ProgrammingError, UnicodeError):
        return  # which is told where it is opened
    if "@" in asked.get("host", "") + asked.get("dbname", ""):
        return  # the port may be a part of the password
    for port in re.findall(r"\d+", asked.get("port", ""), re.ASCII):
        if not 1 <= int(port) <= 65535:
            raise Fault(
                f"the database URL names the port {port[:20]}",
                "write one from 1 to 65535",
            )


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
