"""Views on their way into the table: many at once, each counted once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import psycopg2
from aiohttp import web

from server.postgres.pool import DatabaseAway
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import date

    from server.postgres.pool import Database

    View = tuple[int, str]  # a video, and which of REACHED

REACHED = ("started", "quarter", "half", "completed")
GATHER_SECONDS = 1.0
PAUSE_MAX_SECONDS = 60.0  # between attempts while the database takes nothing
LAST_SECONDS = 2.0  # to write what is left when the server stops
ROWS_MAX = 10_000  # videos and days that wait; of more than these nothing is counted

_log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Numbers that are written together, or not at all."""

    number: int
    counts: dict[tuple[int, date], list[int]]  # video and day: one each of REACHED


class Tally:
    """Views that are not in the table yet."""

    def __init__(self) -> None:
        self.sender = str(uuid4())  # with a batch's number, what it is known by
        self.started = 0  # since the process began
        self.some = asyncio.Event()  # set while there are any
        self._counts: dict[tuple[int, date], list[int]] = {}
        self._batch: Batch | None = None
        self._sent = 0

    def add(self, views: Iterable[View], day: date) -> None:
        """Count views; those of videos that do not exist are dropped when saved."""
        for video_id, reached in views:
            key = (video_id, day)
            if video_id <= ID_MAX and (
                key in self._counts or len(self._counts) < ROWS_MAX
            ):
                counts = self._counts.setdefault(key, [0] * len(REACHED))
                counts[REACHED.index(reached)] += 1
                self.started += reached == REACHED[0]
                self.some.set()

    def take(self) -> Batch | None:
        """Return what is to be written: the same until it is settled."""
        if self._batch is None and self._counts:
            self._sent += 1
            self._batch = Batch(self._sent, self._counts)
            self._counts = {}
        return self._batch

    def settle(self) -> None:
        """Forget what was taken."""
        self._batch = None
        if not self._counts:
            self.some.clear()


TALLY = web.AppKey("tally", Tally)


async def keep_views(app: web.Application) -> AsyncIterator[None]:
    """Write views as long as the application runs, and the last at its end."""
    database, tally = app[STORE].database, Tally()
    app[TALLY] = tally
    task = asyncio.create_task(_save_always(database, tally))
    yield
    task.cancel()
    await asyncio.wait([task])
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while tally.some.is_set() and await save_views(database, tally):
                pass


async def _save_always(database: Database, tally: Tally) -> None:
    pause = GATHER_SECONDS
    while True:
        await tally.some.wait()
        await asyncio.sleep(pause)
        saved = await save_views(database, tally)
        pause = GATHER_SECONDS if saved else min(2 * pause, PAUSE_MAX_SECONDS)


async def save_views(database: Database, tally: Tally) -> bool:
    """Report whether what waits was written.

    What was not is tried again, unless PostgreSQL refused it: then it is dropped.
    """
    batch = tally.take()
    if batch is None:
        return True
    try:
        await database.write(queries()["save_views"], _list_values(tally.sender, batch))
    except (DatabaseAway, psycopg2.IntegrityError):
        return False  # or a video was deleted in this moment
    except psycopg2.Error as error:
        _log.warning("views are not counted: %s", str(error).strip())
        tally.settle()
        return False
    tally.settle()
    return True


def _list_values(sender: str, batch: Batch) -> dict[str, object]:
    """Return what the statement takes: a list a column."""
    ids, days = zip(*batch.counts, strict=True)
    columns = zip(*batch.counts.values(), strict=True)
    numbers = dict(zip(REACHED, map(list, columns), strict=True))
    return {
        "sender": sender,
        "batch": batch.number,
        "ids": list(ids),
        "days": list(days),
        **numbers,
    }
