"""The locks of a migration: whose turn it is, who holds one, and when to try again."""

from __future__ import annotations

import logging
import time
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import psycopg2
from psycopg2.errors import DeadlockDetected, LockNotAvailable

from server.errors import Fault
from server.postgres.plain import connect
from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

POLL_SECONDS = 0.2
PAUSE_SECONDS = 0.5  # before the second try; then twice as long each time
PAUSE_MAX_SECONDS = 8.0
QUIET_SECONDS = 1.0  # a wait that takes longer is reported

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Holder(NamedTuple):
    """A process of PostgreSQL that holds a lock, as pg_stat_activity has it."""

    pid: int
    application_name: str
    role: str

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"process {self.pid} ({self.application_name or '?'}, role {self.role})"


class Held(Fault):
    """Others held for too long what a migration needs; it can be tried again."""


@contextmanager
def taking_turn(url: str, patience: float | None = None) -> Iterator[Connection]:
    """Wait until nobody else migrates; yield the connection that keeps others waiting.

    Held when that takes longer than patience, in seconds, if there is a limit.

    The turn is a lock of its transaction, in which nothing holds a snapshot: an index
    that is built concurrently waits for every snapshot, so neither who has the turn nor
    who waits for it may have one. It ends with the connection, however that ends.
    """
    with closing(connect(url)) as turn:
        began, told = time.monotonic(), False
        while not _try_turn(turn):
            if not told and time.monotonic() - began > QUIET_SECONDS:
                told = True
                _log.warning(
                    "%s is migrating: waiting until it is done", _name_migrating(turn)
                )
            if patience is not None and time.monotonic() - began > patience:
                raise Held(
                    f"{_name_migrating(turn)} is migrating",
                    "wait until it is done, then run it again",
                )
            turn.rollback()
            time.sleep(POLL_SECONDS)
        yield turn


def _try_turn(turn: Connection) -> bool:
    with turn.cursor() as asked:
        asked.execute(queries()["keep_transaction"])
        asked.execute(queries()["try_turn"])
        return asked.fetchone() == (True,)


def _name_migrating(turn: Connection) -> str:
    with turn.cursor() as asked:
        asked.execute(queries()["find_migrating"])
        row = asked.fetchone()
    return str(Holder(*row)) if row else "another process"


class Watcher:
    """Sees, beside a statement that runs, which processes that one waits for.

    It asks on a connection of its own, a transaction each time: the index that is built
    concurrently would wait for the end of any other. With patience, which is in
    seconds, a statement that waits longer is cancelled.
    """

    def __init__(
        self, url: str, watched: Connection, what: str, patience: float | None = None
    ) -> None:
        self.holders: list[Holder] = []
        self.is_cancelled = False
        self.pid = watched.info.backend_pid  # behind a pooler it is another
        self._url, self._watched, self._what = url, watched, what
        self._patience = patience
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._over.wait(QUIET_SECONDS / 2):
            return
        with suppress(Fault, psycopg2.Error), closing(connect(self._url)) as asking:
            asking.autocommit = True
            self._ask_often(asking)

    def _ask_often(self, asking: Connection) -> None:
        began: float | None = None
        told = False
        while not self._over.wait(POLL_SECONDS):
            holders = _list_holders(asking, self.pid)
            if not holders:
                began = None
                continue
            self.holders, now = holders, time.monotonic()
            began = began or now
            if not told and now - began > QUIET_SECONDS / 2:
                told = True
                _log.warning("%s waits for %s", self._what, name_all(holders))
            if self._patience is not None and now - began > self._patience:
                self.is_cancelled = True
                self._watched.cancel()
                return


def _list_holders(asking: Connection, pid: int) -> list[Holder]:
    with asking.cursor() as cursor:
        cursor.execute(queries()["list_holders"], {"pid": pid})
        return [Holder(*row) for row in cursor]


def name_all(holders: list[Holder]) -> str:
    """Return the processes as a message names them."""
    return " and ".join(map(str, holders)) or "a process that was not seen"


def build_blocked(what: str, holders: list[Holder]) -> Held:
    """Return that others held a lock for too long."""
    kill = (
        f" (in SQL: SELECT pg_terminate_backend({holders[0].pid}))" if holders else ""
    )
    return Held(
        f"{what} is not applied, because it waited too long for {name_all(holders)}",
        f"let that transaction end{kill}, then run it again",
    )


def retry_locked(
    url: str,
    database: Connection,
    what: str,
    patience: float,
    attempt: Callable[[Cursor], T],
) -> T:
    """Return what attempt returns, carried out in one transaction.

    It waits two seconds at most for a lock, since those who come after it wait too;
    then it is undone and tried again. Held names who held the lock when that has taken
    longer than patience, in seconds.
    """
    began, pause = time.monotonic(), PAUSE_SECONDS
    holders: list[Holder] = []
    while True:
        with Watcher(url, database, what) as watcher, database.cursor() as cursor:
            try:
                watcher.pid = _begin(cursor)
                result = attempt(cursor)
                database.commit()
            except (LockNotAvailable, DeadlockDetected):
                database.rollback()
            else:
                return result
        holders = watcher.holders or holders
        if time.monotonic() - began + pause > patience:
            raise build_blocked(what, holders)
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_MAX_SECONDS)


def _begin(cursor: Cursor) -> int:
    """Begin a transaction of a migration; return the process that carries it out."""
    cursor.execute(queries()["keep_transaction"])
    cursor.execute(queries()["begin_migration"])
    row = cursor.fetchone()
    assert row is not None
    cursor.execute(queries()["limit_lock_wait"])
    return int(row[0])
