"""aiopg behind a guard: a fair pool whose reads end, one way or the other, in time.

BYTEA is read by a binary cursor and arrives as bytes, copied once.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import aiopg
import psycopg2
from psycopg2 import extensions

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from weakref import ref

    Values = Mapping[str, object]
    Row = tuple[Any, ...]

GRACE_SECONDS = 1.0  # for the server's own statement timeout to arrive first
PAUSE_SECONDS = 0.25  # between attempts to reach a database that is away

_BYTEA = 17  # its type's number in pg_type
# What the URL doesn't say: a peer that has gone is noticed, also by an idle session.
_DEFAULTS = {
    "client_encoding": "UTF8",
    "fallback_application_name": "bytereel",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",  # milliseconds
}
# Poolers refuse options in the start-up message; so does a server too old for them.
_OPTIONS_REFUSED = re.compile("option|parameter")


# Connection, rollback, resources, operator, system: SQLSTATEs that pass by themselves.
_PASSING = {"08", "40", "53", "57", "58"}


class DatabaseAway(Exception):
    """PostgreSQL can't be reached, is overrun or broke off: worth another try soon."""


class StatementTimeout(DatabaseAway):
    """The statement took longer than it may."""


class Counts(NamedTuple):
    """How many connections are open and in use, how many reads wait for one."""

    open: int
    in_use: int
    waiting: int


class Database:
    """At most `connections` sessions, handed to those who wait in their order.

    A read may wait as long as others are being served; after wait_seconds without
    that, and when nobody can connect, all who wait are refused together.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 10,
        wait_seconds: float = 5.0,
        statement_seconds: float = 10.0,
    ) -> None:
        self._url = url
        self._limit = connections
        self._wait_seconds = wait_seconds
        self._statement_ms = round(statement_seconds * 1000)
        self._answer_seconds = statement_seconds + GRACE_SECONDS
        self._prefix = ""  # of every statement, where options are refused
        self._sessions: set[_Session] = set()
        self._idle: list[_Session] = []  # the last one used is on top, and warm
        self._waiting: deque[asyncio.Future[_Session]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._watchdog: asyncio.TimerHandle | None = None
        self._served_at = 0.0  # when someone who waited last got a session
        self._away: Exception | None = None  # why the last attempt to connect failed
        self._paused_until = 0.0
        self._closed = True

    async def open(self) -> None:
        """Get ready to connect, which waits for the first read; raise Fault."""
        try:
            self._parameters = _DEFAULTS | extensions.parse_dsn(self._url)
        except psycopg2.ProgrammingError:  # its text may hold the password
            raise Fault(
                "The database's address can't be read; write it like "
                "postgresql://user:password@host:5432/name."
            ) from None
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def close(self) -> None:
        """Break off what runs, refuse who waits; hold nothing up."""
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
        return await self._read(query, values)

    async def fetch_binary(self, query: str, values: Values) -> list[Row]:
        """Return the rows of a SELECT of BYTEA and text only; raise DatabaseAway.

        Any other type would arrive in its binary form: cast it to text.
        """
        # One string is one round trip, and one transaction, which ends the cursor.
        # https://www.postgresql.org/docs/current/sql-declare.html
        cursor = f"DECLARE answer BINARY NO SCROLL CURSOR FOR {query};"
        return await self._read(f"{cursor}FETCH ALL FROM answer", values)

    async def _read(self, query: str, values: Values, again: bool = True) -> list[Row]:
        session = await self._take()
        try:
            statement = self._prefix + query
            return await session.read(statement, values, self._answer_seconds)
        except (extensions.QueryCanceledError, TimeoutError) as error:
            if session.closed:
                self._drop_idle()
            raise StatementTimeout("The statement took too long.") from error
        except psycopg2.Error as error:
            code = error.pgcode or ""
            if session.closed or code.startswith("57P"):  # a shutdown's last words
                session.close()
                self._drop_idle()
            elif code[:2] not in _PASSING:
                raise
            if not (again and session.closed):
                raise _away(error) from error
        finally:
            self._give_back(session)
        # A session that idled through a restart dies on its next use, so once more.
        return await self._read(query, values, again=False)

    async def _take(self) -> _Session:
        """Return a session that is free, or wait in line for one."""
        if self._closed:
            raise DatabaseAway("The database isn't open.")
        while self._idle:
            session = self._idle.pop()
            if not session.closed:
                return session
            self._sessions.discard(session)
        waiter: asyncio.Future[_Session] = self._loop.create_future()
        if not self._waiting:
            self._served_at = self._loop.time()
        self._waiting.append(waiter)
        if self._watchdog is None:
            self._check_progress()
        self._connect_more()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:  # handed over in the same moment
                self._give_back(waiter.result())
            raise

    def _give_back(self, session: _Session) -> None:
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
            self._refuse(TimeoutError("no connection came free in time"))
        elif self._waiting:
            self._watchdog = self._loop.call_later(left, self._check_progress)

    def _refuse(self, reason: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
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
        try:
            async with asyncio.timeout(self._wait_seconds):
                session = await self._open_session()
        except Exception as error:
            self._away = error
            self._paused_until = self._loop.time() + PAUSE_SECONDS
        else:
            self._away = None
            self._sessions.add(session)
            self._give_back(session)

    async def _open_session(self) -> _Session:
        parameters = await _resolve(self._parameters)
        if not self._prefix:
            try:
                return await _Session.connect(parameters | self._options())
            except psycopg2.OperationalError as error:
                if not _OPTIONS_REFUSED.search(str(error)):
                    raise
        session = await _Session.connect(parameters)
        self._prefix = f"SET LOCAL statement_timeout = {self._statement_ms};"
        return session

    def _options(self) -> dict[str, str]:
        # The second ends the query of a client that has gone.
        ours = (
            f"-c statement_timeout={self._statement_ms}"
            " -c client_connection_check_interval=1000"
        )
        return {"options": f"{ours} {self._parameters.get('options', '')}"}


class _Session(aiopg.Connection):
    """One connection of aiopg 1.4.0, with the methods replaced that can hang.

    The original hangs after an error on a socket whose number is above 1023, and when
    libpq goes on to another address; leaves the event loop watching a socket that is
    closed, or by then another's; and turns a statement timeout into a cancellation.
    A test pins the version and the private names.
    """

    _connected = False

    @classmethod
    async def connect(cls, parameters: dict[str, Any]) -> _Session:
        """Return a session that is ready; the caller bounds the time."""
        session = cls(None, 0.0, enable_hstore=False, **parameters)
        await session
        session._connected = True
        session.raw.string_types[_BYTEA] = extensions.BYTES
        return session

    async def read(self, statement: str, values: Values, seconds: float) -> list[Row]:
        """Return the rows of the last query; raise TimeoutError after seconds."""
        waiter = self._create_waiter("read")
        timer = self._loop.call_later(seconds, self._wake, TimeoutError())
        try:
            cursor = self._conn.cursor()
            cursor.execute(statement, values)
            await self._poll(waiter, seconds)
            rows: list[Row] = cursor.fetchall()
            return rows
        finally:
            timer.cancel()
            self._waiter = None

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:
        """Wait for libpq to finish; close the session if that is given up."""
        self._step()
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
        session: _Session | None = weak_self()
        if session is None:
            return
        session._step()
        if session._hung_up():  # uvloop calls once, then forgets a socket in error
            session._leave_loop()
            session._enter_loop()

    def _step(self) -> None:
        """Let libpq send and receive what it can; wake the reader when it's done."""
        if not self._connected:
            self._leave_loop()  # libpq may close the socket and open another
        try:
            state = self._conn.poll()
            if not self._connected:
                self._enter_loop()
        except Exception as error:
            self._wake(error)
            if self._conn.closed or not self._connected:
                self.close()
            return
        self._watch_writing(state == extensions.POLL_WRITE)
        if state == extensions.POLL_OK:
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
        self._fileno = self._conn.fileno()
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
        super()._close()


def _away(reason: Exception) -> DatabaseAway:
    text = " ".join(str(reason).split()) or "no answer in time"
    away = DatabaseAway(f"The database is away: {text}")
    away.__cause__ = reason
    return away


async def _resolve(parameters: dict[str, str]) -> dict[str, str]:
    """Look up the host's addresses; libpq would stop the event loop for it."""
    host = parameters.get("host", "")
    if not host or host[0] in "/@" or "," in host or "hostaddr" in parameters:
        return parameters
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    return parameters | {
        "host": ",".join([host] * len(addresses)),
        "hostaddr": ",".join(addresses),
    }
