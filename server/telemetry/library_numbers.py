"""What /metrics tells of the library: read from the database every now and then."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import psycopg2
from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.library.levels.queue import RESULTS, STATES
from server.postgres.budget import lower_budget
from server.postgres.pool import DatabaseAway
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from server.postgres.pool import Database

LIBRARY_SECONDS = 15.0  # the library is measured at most so often
WAIT_SECONDS = 3.0  # for the database: other numbers are not to wait for these
_ABSENT = (UndefinedTable, InsufficientPrivilege)


class Library:
    """Numbers of the library, read from the database every now and then."""

    def __init__(self) -> None:
        self.numbers: tuple[int, int, int] | None = None
        self.imports: list[tuple[str, int]] = []
        self.levels: list[tuple[str, int, int]] = []  # state, how many, bytes
        self.encodings: list[tuple[str, int]] = []
        self._due = 0.0

    async def refresh(self, app: web.Application) -> None:
        """Read them if they are too old; forget them if the database is away."""
        if monotonic() < self._due:
            return
        self._due = monotonic() + LIBRARY_SECONDS
        lower_budget(WAIT_SECONDS)
        try:
            query = queries()["measure_library"]
            database = app[STORE].database
            [self.numbers] = await database.fetch(query, {})
            results = await database.fetch(queries()["list_import_results"], {})
            self.imports = [(str(result), int(files)) for result, files in results]
            await self._count_levels(database)
        except _ABSENT:  # of a database that is not ours
            pass
        except (DatabaseAway, psycopg2.Error):
            self.numbers, self.imports = None, []
            self.levels, self.encodings = [], []

    async def _count_levels(self, database: Database) -> None:
        rows = await database.fetch(queries()["count_encodings"], {})
        self.levels = [(str(state), int(n), int(size)) for state, n, size in rows]
        results = await database.fetch(queries()["list_encoding_results"], {})
        self.encodings = [(str(result), int(n)) for result, n in results]


def collect_library(library: Library) -> Iterator[Metric]:
    """Yield what is known of the library; nothing while that is not known."""
    if library.numbers is None:
        return
    videos, stored, table = library.numbers
    yield GaugeMetricFamily("bytereel_videos", "Videos in the table", videos)
    yield GaugeMetricFamily(
        "bytereel_video_bytes", "Bytes of the videos in the table", stored
    )
    yield GaugeMetricFamily(
        "bytereel_table_bytes",
        "Bytes of the table on disk, with its indexes",
        table,
    )
    imports = CounterMetricFamily(
        "bytereel_imports",
        "Files that were imported or refused, by result",
        labels=["result"],
    )
    for result, files in library.imports:
        imports.add_metric([result], files)
    yield imports
    yield from _collect_levels(library)


def _collect_levels(library: Library) -> Iterator[Metric]:
    levels = GaugeMetricFamily(
        "bytereel_levels", "Smaller encodings of videos", labels=["state"]
    )
    counts = {state: count for state, count, _ in library.levels}
    for state in STATES:
        levels.add_metric([state], counts.get(state, 0))
    yield levels
    stored = sum(size for _, _, size in library.levels)
    yield GaugeMetricFamily(
        "bytereel_level_bytes", "Bytes of the smaller encodings", stored
    )
    encodings = CounterMetricFamily(
        "bytereel_encodings",
        "Smaller encodings that were made or given up, by result",
        labels=["result"],
    )
    results = dict(library.encodings)
    for result in RESULTS:
        encodings.add_metric([result], results.get(result, 0))
    yield encodings


LIBRARY: web.AppKey[Library] = web.AppKey("library")
