"""One throwaway PostgreSQL a run; every test gets a fresh database from a template."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import asynccontextmanager, closing, contextmanager
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import pytest
import pytest_asyncio
import uvloop
from hypothesis import HealthCheck, settings

from server.app import build_app
from server.postgres import embedded, migrations
from server.reading.store import STORE, Store
from server.serving.clients import LIMITS, Limits
from server.serving.listen import answering, bind
from tests.versions import list_newer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator


# How long a busy machine takes to make an input is no finding.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

PURE = [
    f"server/{name}.py"
    for name in (
        *("errors", "model", "api/fields", "api/strict_json", "reading/cache"),
        *("video/conditions", "video/guess", "video/plan", "video/ranges"),
        *("library/suffixes", "library/words/naming"),
        *("library/words/forms", "library/words/likeness"),
        *("practice/scheduling", "practice/submission"),
    )
]
"""The modules without I/O: every branch of theirs is tested."""

BOTH_LOOPS = {"test_pool", "test_short", "test_sending"}
"""Where loops may differ: sockets watched, buffers, what is pending at a close.

CI runs these on both where it can; elsewhere the server's own has to do.
"""

_numbers = count(1)
_used: list[str] = []  # databases of tests that are over

# A shell that runs us in the background has us ignore Ctrl-C, and so would the commands
# that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Fail a run under coverage that leaves out a branch of a pure module."""
    result = yield
    plugin = session.config.pluginmanager.getplugin("_cov")
    if plugin is not None and plugin.cov_controller is not None:
        text = StringIO()
        measured = plugin.cov_controller.cov.report(
            include=PURE, show_missing=True, file=text
        )
        if measured < 100:
            session.testsfailed += 1
            print(f"\nThe pure modules must be covered whole:\n{text.getvalue()}")
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what a failure may come from that no commit of ours brought."""
    for line in list_newer():
        terminalreporter.write_line(line)


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    # asyncio's writelines() of 3.12 and newer does not tell a protocol to pause.
    is_right = sys.version_info < (3, 12)
    if item.path.stem not in BOTH_LOOPS or "CI" not in os.environ or not is_right:
        del loops["asyncio"]
    return loops


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing; not in CI, which installs all."""
    missing = shutil.which(program) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"needs {program}")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a temporary folder that root's server, who is nobody, may enter.

    pytest's own are closed to others.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Yield the URL of a throwaway server, with a gap for the database's name."""
    with open_folder() as folder, embedded.running(folder / "cluster", FAST) as url:
        yield url.replace("/bytereel?", "/{database}?")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Yield a folder for an embedded server."""
    with open_folder() as folder:
        yield folder / "data"


class Served(NamedTuple):
    """A server that answers, and what is behind it."""

    port: int
    database_url: str
    store: Store


def execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def template(cluster: str) -> str:
    """Return the name of a migrated database that tests are copied from."""
    execute(cluster.format(database="postgres"), "CREATE DATABASE template")
    migrations.apply(cluster.format(database="template"))
    return "template"


@pytest.fixture
def empty_url(cluster: str) -> Iterator[str]:
    """Yield the URL of a fresh database without our schema."""
    yield from _fresh(cluster, "template0")


@pytest.fixture
def database_url(cluster: str, template: str) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    yield from _fresh(cluster, template)


def _fresh(cluster: str, template: str) -> Iterator[str]:
    """Yield the URL of a new database, once those of the tests before are dropped.

    Not that of the last test, whose sessions may still end: DROP DATABASE would wait
    for them by sleeping a tenth of a second.
    """
    name = f"test_{next(_numbers)}"
    drops = [f"DROP DATABASE {old} WITH (FORCE)" for old in _used[:-1]]
    del _used[:-1]
    execute(
        cluster.format(database="postgres"),
        *drops,
        f"CREATE DATABASE {name} TEMPLATE {template}",
    )
    yield cluster.format(database=name)
    _used.append(name)


def undo_migrations(url: str, first: str) -> None:
    """Undo a migration, and those that came after it."""
    applied = [name for name, is_applied in migrations.list_status(url) if is_applied]
    migrations.rollback(url, len(applied) - applied.index(first))


def insert_video(url: str, filename: str, data: bytes) -> int:
    """Return the id of a new row with these bytes, a video only by name."""
    insert = "INSERT INTO videos (filename, video_data) VALUES (%s, %s) RETURNING id"
    with (
        closing(psycopg2.connect(url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(insert, (filename, data))
        (row,) = cursor.fetchall()
        return int(row[0])


@asynccontextmanager
async def serve_database(
    url: str, *, cache_bytes: int, limits: Limits = LIMITS
) -> AsyncIterator[Served]:
    """Yield a server on a free port."""
    app = build_app(url, cache_bytes=cache_bytes, limits=limits)
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            yield Served(listening.getsockname()[1], url, app[STORE])


@pytest_asyncio.fixture
async def served(database_url: str) -> AsyncIterator[Served]:
    """Yield a server on a fresh database."""
    async with serve_database(database_url, cache_bytes=64_000_000) as served:
        yield served


@pytest_asyncio.fixture
async def uncached(database_url: str) -> AsyncIterator[Served]:
    """Yield a server on a fresh database that reads every chunk from it."""
    async with serve_database(database_url, cache_bytes=0) as served:
        yield served
