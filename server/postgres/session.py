"""One connection of aiopg, without the faults that hang; and reads in binary."""

from __future__ import annotations

import asyncio
import select
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import aiopg
import psycopg2
from psycopg2 import extensions

from server.postgres.connecting import explain_refusal, tell_codes, tell_texts
from server.postgres.libpq import Exchange
from server.postgres.queries import queries
from server.postgres.sqlstate import PlanOutdated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from weakref import ref

    from psycopg2.extensions import cursor as Cursor

    from server.postgres.libpq import Row

    Values = Mapping[str, object]

SLACK_SECONDS = 0.002  # a timer of uvloop may be early by a millisecond


class Limits(NamedTuple):
    """How long a read may take."""

    silent_seconds: float  # without a byte from the server
    until: float = inf  # by the loop's clock, whatever comes


class Session(aiopg.Connection):
    """One connection of aiopg 1.4.0, with the methods replaced that can hang.

    The original hangs after an error on a socket whose number is above 1023, and when
    libpq tries another address. It leaves the event loop watching a socket that is
    closed or reused. It turns a statement timeout into a cancellation.
    A test pins the version and the private names.
    """

    _connected = False
    _exchange: Exchange | None = None  # what is read in binary now
    _kept: set[str]  # queries that the backend knows
    _heard_at = 0.0  # when something last came, by the loop's clock
    hear: Callable[[], None] | None = None  # called when something has come

    @classmethod
    async def connect(
        cls, parameters: dict[str, Any], hear: Callable[[], None] | None = None
    ) -> Session:
        """Return a session that is ready; the caller bounds the time.

        hear is called at each sign of life, so that what is slow may go on.
        """
        try:
            session = cls(None, 0.0, enable_hstore=False, **parameters)
            session.hear = hear
            tell_codes(session._conn)
            await session
        except psycopg2.OperationalError as error:
            raise explain_refusal(error) from None
        tell_texts(session._conn)
        session._connected = True
        session._kept = set()
        return session

    async def read(self, statement: str, values: Values, limits: Limits) -> list[Row]:
        """Return the rows of the last query; raise TimeoutError beyond the limits.

        DataError for a value that Python has nothing for, such as the year 20000.
        """
        waiter = self._create_waiter("read")
        timer = self._watch(limits)
        try:
            cursor = self._conn.cursor()
            cursor.execute(statement, values)
            await self._poll(waiter, limits.silent_seconds)
            return _fetch_all(cursor)
        finally:
            timer.cancel()
            self._waiter = None

    async def read_binary(
        self, query: str, values: Values, limits: Limits, first: str = ""
    ) -> list[Row]:
        """Return the rows of a query that the backend keeps for the next time.

        With first, that is carried out before and nothing kept. Raises as read does.
        An outdated plan is made anew, once.
        """
        try:
            return await self._exchange_once(query, values, limits, first)
        except PlanOutdated:
            await self.read(queries()["forget_statements"], {}, limits)
            self._kept.clear()
        return await self._exchange_once(query, values, limits, first)

    async def _exchange_once(
        self, query: str, values: Values, limits: Limits, first: str
    ) -> list[Row]:
        exchange = Exchange(self._conn, query, values)
        waiter = self._create_waiter("read_binary")
        timer = self._watch(limits)
        self._exchange = exchange
        try:
            self._begin(exchange, first)
            await self._wait(waiter)
            return exchange.rows()
        finally:
            timer.cancel()
            self._waiter = self._exchange = None

    def _watch(self, limits: Limits) -> _Silence:
        """Return a timer that ends the read beyond its limits."""
        self._heard_at = self._loop.time()
        return _Silence(self, limits)

    def _begin(self, exchange: Exchange, first: str) -> None:
        try:
            exchange.send(first, self._kept)
        except Exception:  # half of it may have been sent
            self._waiter = None  # which nobody awaits
            self.close()
            raise
        self._watch_writing(exchange.unsent())

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:
        """Go on until libpq has finished."""
        self._step()
        await self._wait(waiter)

    async def _wait(self, waiter: asyncio.Future[None]) -> None:
        """Wait for libpq to finish; close the session if that is given up."""
        try:
            await waiter
        except (asyncio.CancelledError, TimeoutError):
            self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self, error: Exception | None = None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error:
            self._waiter.set_exception(error)
        else:
            self._waiter.set_result(None)

    @staticmethod
    def _ready(weak_self: ref[Any]) -> None:
        session: Session | None = weak_self()
        if session is None:
            return
        session._step()
        if session._hung_up():  # uvloop calls once, then forgets a socket in error
            session._leave_loop()
            try:
                session._enter_loop()
            except psycopg2.Error as error:
                session._wake(error)
                session.close()

    def _step(self) -> None:
        """Let libpq send and receive what it can; wake the reader when it's done."""
        self._heard_at = self._loop.time()
        if self.hear is not None:
            self.hear()
        if not self._connected:
            self._leave_loop()  # libpq may close the socket and open another
        try:
            if self._exchange is not None:
                done, unsent = self._exchange.advance(), self._exchange.unsent()
            else:
                state = self._conn.poll()
                done = state == extensions.POLL_OK
                unsent = state == extensions.POLL_WRITE
            if not self._connected:
                self._enter_loop()
        except Exception as error:
            self._wake(error)
            if self._conn.closed or not self._connected or self._exchange is not None:
                self.close()
            return
        self._watch_writing(unsent)
        if done:
            self._wake()

    def _watch_writing(self, wanted: bool) -> None:
        if self._fileno is None or wanted == self._writing:
            return
        if wanted:
            self._loop.add_writer(self._fileno, self._ready, self._weakref)
        else:
            self._loop.remove_writer(self._fileno)
        self._writing = wanted

    def _hung_up(self) -> bool:
        """Report whether the peer is gone, though not all it sent has been read."""
        if self._fileno is None:
            return False
        poll = select.poll()  # select() can't take numbers above 1023
        poll.register(self._fileno, 0)
        return bool(poll.poll(0))

    def _enter_loop(self) -> None:
        number = self._conn.fileno()
        if number < 0:  # for lack of memory libpq has closed it, without an error
            raise psycopg2.OperationalError("libpq has given up the connection")
        self._fileno = number
        self._loop.add_reader(self._fileno, self._ready, self._weakref)

    def _leave_loop(self) -> None:
        for remove in (self._loop.remove_writer, self._loop.remove_reader):
            if self._fileno is not None:
                with suppress(OSError):  # libpq may have closed it
                    remove(self._fileno)
        self._fileno = None
        self._writing = False

    def _close(self) -> None:
        self._leave_loop()
        self._exchange = None  # libpq frees what it points to
        super()._close()


def _fetch_all(cursor: Cursor) -> list[Row]:
    try:
        return cursor.fetchall()
    except (ValueError, OverflowError, RecursionError) as error:
        raise psycopg2.DataError(f"a value cannot be read: {error}") from error


class _Silence:
    """A timer that ends a read when nothing came for too long, or at its end."""

    __slots__ = ("_limits", "_session", "_timer")

    def __init__(self, session: Session, limits: Limits) -> None:
        self._session = session
        self._limits = limits
        self._start()

    def _start(self) -> None:
        session, (silent, until) = self._session, self._limits
        due = min(session._heard_at + silent, until)
        self._timer = session._loop.call_at(due, self._look)

    def _look(self) -> None:
        session, (silent, until) = self._session, self._limits
        due = min(session._heard_at + silent, until)
        if due <= session._loop.time() + SLACK_SECONDS:
            session._wake(TimeoutError())
        else:
            self._start()

    def cancel(self) -> None:
        """Watch no more."""
        self._timer.cancel()
