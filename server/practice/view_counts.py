"""Views on their way into the table: many at once, each counted once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import psycopg2
from aiohttp import web

from server.api.troubles import explain_trouble
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import date

    from server.postgres.pool import Database

    View = tuple[int, str]  # a video, and which of REACHED

REACHED = ("started", "quarter", "half", "completed")
GATHER_SECONDS = 1.0
PAUSE_MAX_SECONDS = 10.0  # between attempts while the database takes nothing
PATIENCE_SECONDS = 60.0  # once it has taken nothing for so long, no more are accepted
LAST_SECONDS = 2.0  # to write what is left when the server stops
ROWS_MAX = 10_000  # videos and days that wait; more than these are not accepted

_log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Numbers that are written together, or not at all."""

    number: int
    counts: dict[tuple[int, date], list[int]]  # video and day: one each of REACHED

    def count_views(self) -> int:
        """Return how many views these are."""
        return sum(map(sum, self.counts.values()))


class Tally:
    """Views that are not in the table yet."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Take a clock in seconds that never goes back."""
        self.sender = str(uuid4())  # with a batch's number, what it is known by
        self.started = 0  # since the process began
        self.waiting = 0  # accepted, and not in the table yet
        self.lost = 0  # accepted, and not to come into the table any more
        self.some = asyncio.Event()  # set while there are any
        self._counts: dict[tuple[int, date], list[int]] = {}
        self._batch: Batch | None = None
        self._sent = 0
        self._clock = clock
        self._failing_since: float | None = None

    def add(self, views: Iterable[View], day: date) -> bool:
        """Count views, or return False: all wait too long, or are too many.

        Those of videos that do not exist are dropped when saved.
        """
        known = [view for view in views if view[0] <= ID_MAX]
        new = {(video_id, day) for video_id, _ in known} - self._counts.keys()
        if len(self._counts) + len(new) > ROWS_MAX or self._waits_long():
            return False
        self.waiting += len(known)
        for video_id, reached in known:
            counts = self._counts.setdefault((video_id, day), [0] * len(REACHED))
            counts[REACHED.index(reached)] += 1
            self.started += reached == REACHED[0]
            self.some.set()
        return True

    def _waits_long(self) -> bool:
        if self._failing_since is None:
            return False
        return self._clock() - self._failing_since > PATIENCE_SECONDS

    def take(self) -> Batch | None:
        """Return what is to be written: the same until it is settled."""
        if self._batch is None and self._counts:
            self._sent += 1
            self._batch = Batch(self._sent, self._counts)
            self._counts = {}
        return self._batch

    def note_failure(self, reason: str) -> None:
        """Keep what was taken for another attempt; log the first in a row."""
        if self._failing_since is None:
            self._failing_since = self._clock()
            _log.warning("views wait to be written: %s", reason)

    def settle(self) -> None:
        """Forget what was taken, as it is in the table."""
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            _log.warning("views are written again after %.0f s", seconds)
            self._failing_since = None
        self._forget_batch()

    def lose_batch(self, reason: str) -> None:
        """Forget what was taken, as the table will never take it."""
        assert self._batch is not None
        count = self._batch.count_views()
        _log.warning("%d views are lost: %s", count, reason)
        self.lost += count
        self._forget_batch()

    def lose_all(self) -> None:
        """Count all that waits as lost: nobody will write it."""
        if self.waiting:
            _log.warning("%d views are lost: the server stops", self.waiting)
            self.lost += self.waiting

    def _forget_batch(self) -> None:
        if self._batch is not None:
            self.waiting -= self._batch.count_views()
            self._batch = None
        if not self._counts:
            self.some.clear()


TALLY = web.AppKey("tally", Tally)


async def keep_views(app: web.Application) -> AsyncIterator[None]:
    """Write views as long as the application runs, and the last at its end."""
    database, tally = app[STORE].database, app[TALLY]
    task = asyncio.create_task(_save_always(database, tally))
    yield
    task.cancel()
    await asyncio.wait([task])
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while tally.some.is_set() and await save_views(database, tally):
                pass
    tally.lose_all()


async def _save_always(database: Database, tally: Tally) -> None:
    pause = GATHER_SECONDS
    while True:
        with suppress(MemoryError):  # which must not end it
            await tally.some.wait()
            await asyncio.sleep(pause)
            saved = await save_views(database, tally)
            pause = GATHER_SECONDS if saved else min(2 * pause, PAUSE_MAX_SECONDS)


async def save_views(database: Database, tally: Tally) -> bool:
    """Report whether what waits was written.

    What was not is tried again, unless PostgreSQL could never take it.
    """
    batch = tally.take()
    if batch is None:
        return True
    try:
        await database.write(queries()["save_views"], _list_values(tally.sender, batch))
    except Exception as error:
        reason, _, _ = str(error).strip().partition("\n")
        # A value that does not fit never will, and would hold up all that come after.
        if explain_trouble(error) is None or isinstance(error, psycopg2.DataError):
            tally.lose_batch(reason)
        else:  # for a video, say, that was deleted in this moment
            tally.note_failure(reason or type(error).__name__)
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
