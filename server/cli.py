"""The commands: bytereel … is the same as python -m server …"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import uvloop

from server.admin.spool import opening_spool
from server.app import build_app, build_metrics
from server.config import add_settings
from server.demo.learners import add_learners
from server.demo.samples import SAMPLES, make_samples
from server.edge.commands import add_edge_commands
from server.edge.nginx import add_nginx_config
from server.errors import Fault
from server.library.clips.check import FAULT, WARNING, Flaw, Limits, find_worst
from server.library.clips.checking import check_files, is_file
from server.library.clips.limits import add_limits, read_limits
from server.library.clips.selftest import check_beside
from server.library.clips.stored import check_videos
from server.library.commands import add_library_commands
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import find_files
from server.library.imports.command import add_import
from server.library.imports.files import import_paths
from server.library.upkeep.backup import add_backup_commands
from server.postgres import embedded, migrations
from server.postgres.plain import Unreachable, connect, first_line
from server.postgres.queries import queries
from server.serving.listen import address, bind, serve, share
from server.telemetry.access_log import AccessLog
from server.video.pacing import Pacer
from server.video.watch import Watch

if TYPE_CHECKING:
    from server.library.arguments import Commands


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bytereel",
        description="Short videos in PostgreSQL, any byte range of them over HTTP.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    database = ("database_url", "data_dir")
    capacity = ("connections", "workers", "cache_mb")

    demo = commands.add_parser("demo", help="everything at once, with sample clips")
    demo.set_defaults(run=run_demo)
    told = ("pace", "pace_whom", "access_log", "trusted_proxies", "admin_token")
    add_settings(demo, ("data_dir", "host", "port", "connections", *told))

    server = commands.add_parser("serve", help="the server")
    server.set_defaults(run=run_serve)
    add_settings(server, (*database, "host", "port", *capacity, *told))

    migrate = commands.add_parser("migrate", help="bring the schema up to date")
    migrate.set_defaults(run=run_migrate)
    what = migrate.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="only list the migrations")
    what.add_argument(
        "--rollback", type=int, metavar="N", help="take the newest N back"
    )
    add_settings(migrate, database)

    checker = _add_check(commands)
    add_limits(checker)
    add_settings(checker, database)
    for keeper in (
        add_import(commands),
        *add_library_commands(commands),
        *add_backup_commands(commands),
        *add_edge_commands(commands),
    ):
        keeper.set_defaults(run=run_library)
        add_settings(keeper, database)
    add_nginx_config(commands)
    return parser


def _add_check(commands: "Commands") -> argparse.ArgumentParser:
    checker = commands.add_parser(
        "check",
        help="whether files and videos play and seek on iOS",
        epilog="Exit status: 0 nothing but notes, 1 a fault that stops playing, "
        "3 warnings.",
    )
    checker.set_defaults(run=run_check)
    checker.add_argument(
        "names",
        nargs="+",
        metavar="FILE|VIDEO",
        help="a file, a folder, or a video in the table by its id or file name",
    )
    checker.add_argument("--json", action="store_true", help="one object a flaw")
    return checker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        status: int = options.run(options)
    except Fault as fault:
        print(f"bytereel: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status


@contextmanager
def open_database(options: argparse.Namespace) -> Iterator[str]:
    """Yield the URL of the database; ours is started and migrated, theirs never."""
    if options.database_url:
        yield options.database_url
        return
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        yield url


def run_demo(options: argparse.Namespace) -> int:
    """Show the main job on sample clips; never in a database of the user's."""
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        import_samples(url)
        add_learners(url)
        return _serve(options, url, workers=1, cache_mb=0, watch=Watch())


def import_samples(url: str) -> None:
    """Make the sample clips that the table lacks, and import them."""
    names = [sample.filename for sample in SAMPLES]
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(queries()["list_known"], {"names": names})
        known = {name for (name,) in cursor.fetchall()}
    missing = [sample for sample in SAMPLES if sample.filename not in known]
    if not missing:
        return
    print(f"Making {len(missing)} sample clips …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in import_paths(url, make_samples(Path(folder), missing)):
            if row.error:
                raise Fault(row.error)


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
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
        print(f"Port {options.port} is taken, so this is the next free one.")
    banner = f"bytereel is at {address(listening)} (Ctrl-C stops it)"
    connections = max(options.connections // workers, 1)
    cache_bytes = cache_mb * 1_000_000 // workers

    metrics = build_metrics(1 if workers == 1 else 3 * workers)  # reloads overlap
    log = AccessLog(options.access_log, options.trusted_proxies)

    def run(
        listening: socket.socket, ready: Callable[[], None], spool: Path | None = None
    ) -> None:
        metrics.claim()
        app = build_app(
            url,
            connections=connections,
            cache_bytes=cache_bytes,
            watch=watch,
            admin_token=options.admin_token,
            spool=spool,
            metrics=metrics,
            log=log,
            pacer=Pacer(options.pace, options.pace_whom),
        )
        with listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listening, ready))

    def announce() -> None:
        check_beside()
        print(banner, flush=True)

    if workers == 1:
        run(listening, announce)
    elif sys.platform != "linux":
        raise Fault("More than one worker needs Linux: leave --workers at 1.")
    else:
        from server.serving.workers import Workers  # can't be imported elsewhere

        with opening_spool() if options.admin_token else nullcontext() as spool:
            Workers(partial(run, spool=spool), share(listening, workers)).supervise(
                announce
            )
    return 0


def check_schema(url: str) -> None:
    """Raise Fault when the database has nothing to serve; it may be away, though."""
    try:
        connection = connect(url)
    except Unreachable as fault:
        logging.warning("%s; answering 503 until then", fault)
        return
    try:
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(queries()["check_videos"])
    except psycopg2.ProgrammingError as error:
        raise Fault(
            f"the database has no videos to serve ({first_line(error)}): "
            "run bytereel migrate"
        ) from error


def run_migrate(options: argparse.Namespace) -> int:
    """Apply, list or take back migrations."""
    if options.database_url:
        return _migrate(options, options.database_url)
    with embedded.running(options.data_dir) as url:
        return _migrate(options, url)


def _migrate(options: argparse.Namespace, url: str) -> int:
    if options.status:
        for name, applied in migrations.list_status(url):
            print(f"{'applied' if applied else 'pending'}  {name}")
    elif options.rollback is not None:
        for name in migrations.rollback(url, options.rollback):
            print(f"rolled back  {name}")
    else:
        names = migrations.apply(url)
        for name in names:
            print(f"applied  {name}")
        if not names:
            print("The schema is up to date.")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Check files and videos; the exit status tells of the worst flaw."""
    limits = read_limits(options)
    found: list[Flaw] = []
    with Sandbox() as sandbox:
        for shown, flaws in list_checked(options, sandbox, limits):
            found += flaws
            for flaw in flaws:
                if options.json:
                    told = {"name": shown, **flaw._asdict()}
                    print(dumps(told, ensure_ascii=False), flush=True)
                else:
                    print(
                        f"{flaw.severity} {flaw.code}: {flaw.tell(shown)}", flush=True
                    )
            if not flaws and not options.json:
                print(f"fine: {shown}", flush=True)
    return {FAULT: 1, WARNING: 3}.get(find_worst(found) or "", 0)


def list_checked(
    options: argparse.Namespace, sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield files first, then videos; without these no database is asked."""
    files = [Path(name) for name in options.names if is_file(name)]
    yield from check_files(find_files(files), sandbox, limits)
    videos = [name for name in options.names if not is_file(name)]
    if videos:
        with open_database(options) as url:
            yield from check_videos(url, videos, sandbox, limits)


def run_library(options: argparse.Namespace) -> int:
    """Run a command that keeps what is in the table."""
    with open_database(options) as url:
        status: int = options.act(url, options)
    return status
