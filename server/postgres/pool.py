"""A fair pool of sessions; each read ends in time, with rows or an error."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2 import extensions

from server.postgres.address import Address
from server.postgres.budget import find_budget
from server.postgres.session import Limits
from server.postgres.sqlstate import passes

if TYPE_CHECKING:
    from server.postgres.libpq import Row
    from server.postgres.session import Session, Values

GRACE_SECONDS = 1.0  # for the server's own statement timeout to arrive first
PAUSE_SECONDS = 0.25  # between attempts to reach a database that is away
CONNECT_WAITS = 12  # times wait_seconds that connecting may take while it goes on

# A pooler in between has sent a kept statement to a backend that doesn't know it, or
# knows it already.
_NOT_KEPT = {"26000", "42P05"}
_NONE_FREE = "no connection came free in time"


class DatabaseAway(Exception):
    """PostgreSQL can't be reached, is overrun or broke off: worth another try soon."""


class StatementTimeout(DatabaseAway):
    """The statement took longer than it may."""


class Counts(NamedTuple):
    """How many connections are open and in use, how many reads wait for one."""

    open: int
    in_use: int
    waiting: int


class _Statement(NamedTuple):
    """What is asked for, and until when, by the loop's clock."""

    query: str
    values: Values
    binary: bool
    session_until: float  # for who waits in line
    until: float  # for the rows; what reads for nobody in particular has no end


class Database:
    """At most `connections` sessions, handed to those who wait in their order.

    A read waits as long as others are being served, or sessions being opened come on.
    If none was for wait_seconds, or no connection can be opened, all waiting reads are
    refused together. No read waits longer than its task's budget, and none for a
    session longer than answer_seconds. Without a budget, rows that are on their way
    may take their time.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 10,
        answer_seconds: float = 15.0,
        wait_seconds: float | None = None,
        statement_seconds: float | None = None,
    ) -> None:
        """Take what all waits of an answer may come to.

        By default a third of it is for a session and two thirds for a statement.
        """
        self._url = url
        self.answer_seconds = answer_seconds
        self._statement_seconds = statement_seconds or answer_seconds * 2 / 3
        self._limit = connections
        self._wait_seconds = wait_seconds or answer_seconds / 3
        self._silent_seconds = self._statement_seconds + GRACE_SECONDS
        self._sessions: set[Session] = set()
        self._idle: list[Session] = []  # the last one used is on top, and warm
        self._waiting: deque[asyncio.Future[Session]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._watchdog: asyncio.TimerHandle | None = None
        self.waits = 0  # reads that had to wait for a connection
        self.waited_seconds = 0.0  # all together
        self.timeouts = 0  # reads that waited in vain
        self.spent: dict[str, tuple[int, float]] = {}  # queries: times, seconds
        self._served_at = 0.0  # when someone who waited last got a session
        self._away: Exception | None = None  # why the last attempt to connect failed
        self._paused_until = 0.0
        self._closed = True

    async def open(self) -> None:
        """Get ready to connect, which waits for the first read; raise Fault."""
        self._address = Address(self._url, self._statement_seconds)
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def close(self) -> None:
        """Abort what runs and refuse what waits, at once."""
        self._closed = True
        self._refuse(psycopg2.InterfaceError("it is being closed"))
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        self._idle.clear()
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    @property
    def counts(self) -> Counts:
        """Return what the pool is doing now."""
        idle = sum(not session.closed for session in self._idle)
        in_use = len(self._sessions) - len(self._idle)
        return Counts(idle + in_use, in_use, len(self._waiting))

    async def fetch(self, query: str, values: Values) -> list[Row]:
        """Return the rows of a SELECT that has no BYTEA; raise DatabaseAway."""
        return await self._timed(query, values)

    async def fetch_binary(self, query: str, values: Values) -> list[Row]:
        """Return the rows of a SELECT of bytea, text and integers; raise DatabaseAway.

        The backend keeps its plan, so it costs little the next time.
        """
        return await self._timed(query, values, binary=True)

    async def write(self, query: str, values: Values) -> list[Row]:
        """Return the rows of a statement that changes data, which is sent only once.

        After DatabaseAway it may have been carried out all the same.
        """
        return await self._timed(query, values, again=False)

    async def _timed(
        self, query: str, values: Values, *, binary: bool = False, again: bool = True
    ) -> list[Row]:
        """Return the rows of a statement, and note how long it took with its wait."""
        began, budget = self._loop.time(), find_budget()
        if budget is None:
            statement = _Statement(
                query, values, binary, began + self.answer_seconds, inf
            )
        else:
            if budget.left <= 0:
                raise StatementTimeout("No time is left to ask the database.")
            until = began + budget.left
            statement = _Statement(query, values, binary, until, until)
        try:
            return await self._read(statement, again)
        finally:
            took = self._loop.time() - began
            if budget is not None:
                budget.left -= took
            times, seconds = self.spent.get(query, (0, 0.0))
            self.spent[query] = times + 1, seconds + took

    async def _read(self, statement: _Statement, again: bool = True) -> list[Row]:
        session = await self._take(statement.session_until)
        first, limits = (
            self._address.prefix,
            Limits(self._silent_seconds, statement.until),
        )
        query, values = statement.query, statement.values
        try:
            if statement.binary:
                return await session.read_binary(query, values, limits, first)
            return await session.read(first + query, values, limits)
        except (extensions.QueryCanceledError, TimeoutError) as error:
            if session.closed:
                self._drop_idle()
            raise StatementTimeout("The statement took too long.") from error
        except MemoryError:  # half of an answer may have been read
            session.close()
            raise
        except psycopg2.Error as error:
            code = error.pgcode or ""
            gone = code.startswith("57P")  # a shutdown's last words
            if session.closed or gone:
                session.close()
                self._drop_idle()
            elif again and code in _NOT_KEPT:
                session.close()
                self._address.expect_pooler()
            elif not passes(error):
                raise
            if not (again and session.closed):
                raise _away(error) from error
        finally:
            self._give_back(session)
        # A session that idled through a restart dies on its next use, so once more.
        return await self._read(statement, again=False)

    async def _take(self, until: float) -> Session:
        """Return a session that is free, or wait in line for one."""
        if self._closed:
            raise DatabaseAway("The database isn't open.")
        while self._idle:
            session = self._idle.pop()
            if not session.closed:
                return session
            self._sessions.discard(session)
        waiter: asyncio.Future[Session] = self._loop.create_future()
        if not self._waiting:
            self._served_at = self._loop.time()
        self._waiting.append(waiter)
        began = self._loop.time()
        self.waits += 1
        if self._watchdog is None:
            self._check_progress()
        self._connect_more()
        timer = self._loop.call_at(until, self._give_up, waiter)
        try:
            session = await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:  # handed over in the same moment
                self._give_back(waiter.result())
            raise
        finally:
            timer.cancel()
            self.waited_seconds += self._loop.time() - began
        if session.closed:  # since it was handed over
            self._give_back(session)
            return await self._take(until)
        return session

    def _give_up(self, waiter: asyncio.Future[Session]) -> None:
        """Refuse one who has waited for as long as it may."""
        if not waiter.done():
            self._waiting.remove(waiter)
            self.timeouts += 1
            waiter.set_exception(_away(TimeoutError(_NONE_FREE)))

    def _give_back(self, session: Session) -> None:
        """Hand the session to the next in line; a closed one makes room for a new."""
        if session.closed:
            self._sessions.discard(session)
            self._connect_more()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._served_at = self._loop.time()
                waiter.set_result(session)
                return
        self._idle.append(session)

    def _drop_idle(self) -> None:
        """Close what idles: where one session broke off the others likely did too."""
        for session in self._idle:
            session.close()
        self._sessions.difference_update(self._idle)
        self._idle.clear()

    def _check_progress(self) -> None:
        """Refuse all who wait when nobody was served for too long; else look again."""
        left = self._served_at + self._wait_seconds - self._loop.time()
        self._watchdog = None
        if left <= 0:
            self._refuse(TimeoutError(_NONE_FREE))
        elif self._waiting:
            self._watchdog = self._loop.call_later(left, self._check_progress)

    def _refuse(self, reason: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.timeouts += 1
                waiter.set_exception(_away(reason))

    def _connect_more(self) -> None:
        """Connect for those who wait; refuse them when it has just failed."""
        if self._away and self._loop.time() < self._paused_until:
            if not self._sessions and not self._connecting:
                self._refuse(self._away)
            return
        room = self._limit - len(self._sessions) - len(self._connecting)
        wanted = len(self._waiting) - len(self._connecting)
        for _ in range(min(room, wanted)):
            # In a task of its own: whoever asked for it may be cancelled.
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            task.add_done_callback(lambda _: self._connect_more())

    async def _connect(self) -> None:
        ends = self._loop.time() + CONNECT_WAITS * self._wait_seconds
        try:
            async with asyncio.timeout(self._wait_seconds) as limit:
                session = await self._address.open(partial(self._hear, limit, ends))
        except Exception as error:
            self._away = error
            self._paused_until = self._loop.time() + PAUSE_SECONDS
        else:
            self._away = None
            self._sessions.add(session)
            self._give_back(session)

    def _hear(self, limit: asyncio.Timeout, ends: float) -> None:
        """Wait on for a session that gives a sign of life."""
        if not limit.expired():
            self._served_at = now = self._loop.time()
            limit.reschedule(min(now + self._wait_seconds, ends))


def _away(reason: Exception) -> DatabaseAway:
    silent = "no answer in time" if isinstance(reason, TimeoutError) else repr(reason)
    text = " ".join(str(reason).split()) or silent
    away = DatabaseAway(f"The database is away: {text}")
    away.__cause__ = reason
    return away
