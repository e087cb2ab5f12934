"""Numbers on their way into a table: many at once, each counted once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import psycopg2

from server.api.troubles import explain_trouble
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from aiohttp import web

    from server.postgres.pool import Database

    Key = tuple[Any, ...]  # the id of a video, a day, and what else tells rows apart
    Counts = Mapping[Key, Sequence[int]]

GATHER_SECONDS = 1.0
PAUSE_MAX_SECONDS = 10.0  # between attempts while the database takes nothing
PATIENCE_SECONDS = 60.0  # once it has taken nothing for so long, no more are accepted
LAST_SECONDS = 2.0  # to write what is left when the server stops
ROWS_MAX = 10_000  # videos and days that wait; more than these are not accepted

_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """What a tally counts, and how that is written."""

    what: str  # such as views, for people
    columns: int  # how many numbers a row has
    query: str  # the name of the statement that saves a batch
    list_values: Callable[[Counts], dict[str, object]]  # what it takes, a list a column


class Batch(NamedTuple):
    """Numbers that are written together, or not at all."""

    number: int
    counts: dict[Key, list[int]]
    events: int  # that they are the sum of


class Tally:
    """Numbers that are not in their table yet."""

    def __init__(self, kind: Kind, clock: Callable[[], float] = monotonic) -> None:
        """Take a clock in seconds that never goes back."""
        self.kind = kind
        self.totals = [0] * kind.columns  # accepted since the process began
        self.sender = str(uuid4())  # with a batch's number, what it is known by
        self.waiting = 0  # accepted, and not in the table yet
        self.lost = 0  # accepted, and not to come into the table any more
        self.some = asyncio.Event()  # set while there are any
        self._counts: dict[Key, list[int]] = {}
        self._events = 0  # that these are the sum of
        self._batch: Batch | None = None
        self._sent = 0
        self._clock = clock
        self._failing_since: float | None = None

    def add(self, rows: Iterable[tuple[Key, Sequence[int]]]) -> bool:
        """Count events, each a row, or return False: all wait too long, or too many do.

        Those of videos that do not exist are dropped when saved.
        """
        known = [row for row in rows if row[0][0] <= ID_MAX]
        new = {key for key, _ in known} - self._counts.keys()
        if len(self._counts) + len(new) > ROWS_MAX or self._waits_long():
            return False
        self.waiting += len(known)
        self._events += len(known)
        for key, numbers in known:
            counts = self._counts.setdefault(key, [0] * self.kind.columns)
            for sums in (counts, self.totals):
                for column, number in enumerate(numbers):
                    sums[column] += number
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
            self._batch = Batch(self._sent, self._counts, self._events)
            self._counts, self._events = {}, 0
        return self._batch

    def note_failure(self, reason: str) -> None:
        """Keep what was taken for another attempt; log the first in a row."""
        if self._failing_since is None:
            self._failing_since = self._clock()
            _log.warning("%s wait to be written: %s", self.kind.what, reason)

    def settle(self) -> None:
        """Forget what was taken, as it is in the table."""
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            what = self.kind.what
            _log.warning("%s are written again after %.0f s", what, seconds)
            self._failing_since = None
        self._forget_batch()

    def lose_batch(self, reason: str) -> None:
        """Forget what was taken, as the table will never take it."""
        assert self._batch is not None
        count = self._batch.events
        _log.warning("%d %s are lost: %s", count, self.kind.what, reason)
        self.lost += count
        self._forget_batch()

    def lose_all(self) -> None:
        """Count all that waits as lost: nobody will write it."""
        if self.waiting:
            what = self.kind.what
            _log.warning("%d %s are lost: the server stops", self.waiting, what)
            self.lost += self.waiting

    def _forget_batch(self) -> None:
        if self._batch is not None:
            self.waiting -= self._batch.events
            self._batch = None
        if not self._counts:
            self.some.clear()


async def keep(key: web.AppKey[Tally], app: web.Application) -> AsyncIterator[None]:
    """Write what comes into a tally as long as the application runs, and at its end."""
    database, tally = app[STORE].database, app[key]
    task = asyncio.create_task(_save_always(database, tally))
    yield
    task.cancel()
    await asyncio.wait([task])
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while tally.some.is_set() and await save(database, tally):
                pass
    tally.lose_all()


async def _save_always(database: Database, tally: Tally) -> None:
    pause = GATHER_SECONDS
    while True:
        with suppress(MemoryError):  # which must not end it
            await tally.some.wait()
            await asyncio.sleep(pause)
            saved = await save(database, tally)
            pause = GATHER_SECONDS if saved else min(2 * pause, PAUSE_MAX_SECONDS)


async def save(database: Database, tally: Tally) -> bool:
    """Report whether what waits was written.

    What was not is tried again, unless PostgreSQL could never take it.
    """
    batch = tally.take()
    if batch is None:
        return True
    values = tally.kind.list_values(batch.counts)
    values |= {"sender": tally.sender, "batch": batch.number}
    try:
        await database.write(queries()[tally.kind.query], values)
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
