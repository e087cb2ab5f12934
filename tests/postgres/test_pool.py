from __future__ import annotations

import asyncio
import gc
import inspect
import os
import random
import resource
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import aiopg
import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from server.errors import Fault
from server.postgres import pool as guarded
from server.postgres.pool import Counts, Database, DatabaseAway, StatementTimeout
from server.postgres.queries import queries
from server.postgres.session import Session
from tests.breakable import HANG_SECONDS, Postgres, breakable
from tests.conftest import execute, insert_video
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def list_backends(server: Postgres) -> set[int]:
    """Return the processes that serve sessions, but for the one that is asked."""
    found = server.ask(
        "SELECT array_agg(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return set(found or [])


ROWS = "SELECT g::text FROM generate_series(1, 3) AS g"
BYTES = "SELECT %(name)s AS name, decode(%(hex)s, 'hex') AS data, NULL::bytea AS none"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder, "data")
    server.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    yield server
    server.stop(signal.SIGQUIT)


@pytest.fixture
def server(kept: Postgres) -> Postgres:
    if kept.process is None:
        kept.start()
    return kept


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Database]:
    """Open and close; nothing may hang, be left open or be logged by the loop."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    database = Database(url, **settings)
    async with asyncio.timeout(HANG_SECONDS):
        await database.open()
        try:
            yield database
        finally:
            await database.close()
        assert database.counts == Counts(open=0, in_use=0, waiting=0)
        await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


async def open_all(database: Database, connections: int) -> None:
    """Return when all are open and idle."""
    while database.counts.open < connections:
        await outcomes(
            [start(database, "SELECT pg_sleep(0.1)") for _ in range(connections)]
        )


async def recovered(database: Database) -> None:
    """Return when reads succeed; until then nothing but DatabaseAway may come."""
    while True:
        try:
            await database.fetch(ROWS, {})
        except DatabaseAway:
            await asyncio.sleep(0.02)
        else:
            return


BOTH = pytest.mark.parametrize("method", ["fetch", "fetch_binary"])


def start(database: Database, query: str, method: str = "fetch") -> asyncio.Task[Any]:
    return asyncio.create_task(getattr(database, method)(query, {}))


async def outcomes(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


# What is guarded is private: another version must be looked at by a person.
def test_guard_knows_its_aiopg() -> None:
    assert aiopg.__version__ == "1.4.0"
    source = inspect.getsource(aiopg.Connection)
    overridden = ("_ready(", "_poll(", "_close(")
    used = ("_create_waiter(", "_waiter", "_fileno", "_writing", "_weakref", "_loop")
    for name in (*overridden, *used, "_conn.poll()"):
        assert name in source, name
    assert "self._ready, self._weakref" in source
    assert "await self._poll(self._waiter, self._timeout)" in source


async def test_fetch_returns_typed_rows(server: Postgres) -> None:
    query = (
        "SELECT 1, 'ö'::text, NULL, '2024-01-02 03:04:05+00'::timestamptz WHERE %(is)s"
    )
    async with opened(server.url) as database:
        (row,) = await database.fetch(query, {"is": True})
        assert row[:3] == (1, "ö", None)
        assert row[3].utcoffset() is not None
        assert await database.fetch(query, {"is": False}) == []


@pytest.mark.parametrize("size", [0, 1, 8192, 3 * 2**20 + 1])
async def test_fetch_binary_returns_exact_bytes(server: Postgres, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    values = {"name": "Übung.mp4", "hex": data.hex()}
    async with opened(server.url) as database:
        rows = await database.fetch_binary(BYTES, values)
        assert rows == [("Übung.mp4", data, None)]
        assert type(rows[0][1]) is bytes
        assert await database.fetch_binary("SELECT ''::bytea WHERE false", {}) == []


async def test_fetch_binary_knows_numbers_and_rows_in_rows(server: Postgres) -> None:
    query = """
        SELECT ROW(%(one)s::integer, NULL::text, 'ü'::text, %(many)s::bigint), n
          FROM unnest(%(list)s::integer[]) AS n
    """
    values = {"one": -1, "many": 2**40, "list": [0, 2**31 - 1]}
    row = (-1, None, "ü", 2**40)
    async with opened(server.url) as database:
        rows = await database.fetch_binary(query, values)
        assert rows == [(row, 0), (row, 2**31 - 1)]


async def test_query_of_bytes_is_planned_once(server: Postgres) -> None:
    kept = "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements"
    query = "SELECT 1 / %(by)s::integer"
    async with opened(server.url, connections=1) as database:
        for _ in range(3):
            with pytest.raises(psycopg2.errors.DivisionByZero):
                await database.fetch_binary(query, {"by": 0})
        for _ in range(7):
            assert await database.fetch_binary(query, {"by": 1}) == [(1,)]
        ((statement, generic, custom),) = await database.fetch(kept, {})
        assert statement == "SELECT 1 / $1::integer"
        assert (generic, custom) == (10, 0)


@pytest.mark.long
async def test_query_survives_a_change_of_its_table(server: Postgres) -> None:
    query = "SELECT kind FROM changing, pg_sleep(2)"  # for which both are opened
    execute(server.url, "CREATE TABLE changing AS SELECT 7 AS kind")
    async with opened(server.url, connections=2) as database:

        async def read_twice() -> list[list[tuple[object, ...]]]:
            reads = [database.fetch_binary(query, {}) for _ in range(2)]
            return await asyncio.gather(*reads)

        assert await read_twice() == [[(7,)]] * 2
        before = list_backends(server)
        execute(server.url, "ALTER TABLE changing ALTER kind TYPE text")
        assert await read_twice() == [[("7",)]] * 2
        assert list_backends(server) >= before
        assert len(before) == 2
        execute(server.url, "DROP TABLE changing")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            await database.fetch_binary(query, {})


async def test_value_that_is_not_supported_costs_one_statement(
    server: Postgres,
) -> None:
    query = "SELECT nextval('tries'), %(value)s::numeric::bigint"
    execute(server.url, "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries")
    async with opened(server.url, connections=2) as database:
        await database.fetch_binary(query, {"value": 7})
        before = list_backends(server)
        for _ in range(3):
            with pytest.raises(psycopg2.errors.FeatureNotSupported) as raised:
                await database.fetch_binary(query, {"value": "infinity"})
            assert raised.value.pgcode == "0A000"
        assert await database.fetch_binary(query, {"value": 7}) == [(5, 7)]
        assert list_backends(server) == before


async def test_values_larger_than_the_socket_takes_arrive(server: Postgres) -> None:
    values = {"name": "n" * 30_000_000, "hex": ""}
    async with opened(server.url) as database:
        ((name, _, _),) = await database.fetch_binary(BYTES, values)
        assert name == values["name"]


async def test_counts_follow_the_connections(server: Postgres) -> None:
    async with opened(server.url, connections=2) as database:
        assert database.counts == Counts(open=0, in_use=0, waiting=0)
        tasks = [start(database, "SELECT pg_sleep(0.2)") for _ in range(5)]
        await until(lambda: database.counts == Counts(open=2, in_use=2, waiting=3))
        await outcomes(tasks)
        assert database.counts == Counts(open=2, in_use=0, waiting=0)


@pytest.mark.parametrize(
    ("query", "values", "error"),
    [
        ("SELEC 1", {}, psycopg2.errors.SyntaxError),
        ("SELECT 1 FROM no_such_table", {}, psycopg2.errors.UndefinedTable),
        ("SELECT 1 / 0", {}, psycopg2.errors.DivisionByZero),
        ("SELECT %(name)s", {"name": "\0"}, ValueError),
        ("SELECT %(name)s", {}, KeyError),
    ],
)
@BOTH
async def test_mistakes_pass_through_and_cost_no_connection(
    server: Postgres,
    method: str,
    query: str,
    values: dict[str, object],
    error: type[Exception],
) -> None:
    async with opened(server.url, connections=1) as database:
        for _ in range(2):
            with pytest.raises(error):
                await getattr(database, method)(query, values)
            pids = await database.fetch("SELECT pg_backend_pid()", {})
        assert pids == await database.fetch("SELECT pg_backend_pid()", {})
        assert database.counts == Counts(open=1, in_use=0, waiting=0)


# The codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
@pytest.mark.parametrize(
    ("code", "error", "left_open"),
    [
        ("40001", DatabaseAway, 1),  # a standby ends a read that holds up its replay
        ("53200", DatabaseAway, 1),
        ("57014", StatementTimeout, 1),
        ("57P01", DatabaseAway, 0),  # the server's last word on a connection
        ("58030", DatabaseAway, 1),
        ("54000", psycopg2.errors.ProgramLimitExceeded, 1),
        ("22023", psycopg2.errors.InvalidParameterValue, 1),
    ],
)
async def test_error_that_passes_is_database_away(
    server: Postgres, code: str, error: type[Exception], left_open: int
) -> None:
    server.ask(
        "CREATE OR REPLACE FUNCTION fail(code text) RETURNS text LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION USING errcode = code; END'"
    )
    async with opened(server.url, connections=1) as database:
        with pytest.raises(error) as caught:
            await database.fetch("SELECT fail(%(code)s)", {"code": code})
        assert type(caught.value) is error
        assert database.counts == Counts(left_open, in_use=0, waiting=0)
        assert len(await database.fetch(ROWS, {})) == 3


async def test_open_refuses_an_unreadable_address() -> None:
    with pytest.raises(Fault, match="write it like postgresql://") as caught:
        await Database("postgers://me:secret@host/name").open()
    assert "secret" not in str(caught.value)


@BOTH
async def test_backend_killed_in_a_query_is_database_away(
    server: Postgres, method: str
) -> None:
    async with opened(server.url) as database:
        sleeper = start(database, "SELECT 'row a', pg_sleep(20)::text", method)
        await until(lambda: server.count("row a"))
        pid = server.ask("SELECT pid FROM pg_stat_activity WHERE query LIKE '%row a%'")
        os.kill(pid, signal.SIGKILL)
        # It's retried, and may find PostgreSQL quicker than we are: then it sleeps on.
        await asyncio.wait([sleeper], timeout=1)
        sleeper.cancel()
        (outcome,) = await outcomes([sleeper])
        assert isinstance(outcome, DatabaseAway | asyncio.CancelledError)
        await recovered(database)


@BOTH
async def test_connections_ended_while_idle_cost_no_error(
    server: Postgres, method: str
) -> None:
    async with opened(server.url, connections=3) as database:
        await open_all(database, 3)
        # Without a turn of the loop in which it could notice.
        server.ask(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert await getattr(database, method)(ROWS, {}) == [("1",), ("2",), ("3",)]
        assert database.counts == Counts(open=1, in_use=0, waiting=0)


async def test_connection_lost_while_idle_leaves_loop_and_pool(
    server: Postgres,
) -> None:
    async with opened(server.url, connections=2) as database:
        await open_all(database, 2)
        kept, next_one = database._idle
        number = next_one.raw.fileno()
        server.ask(f"SELECT pg_terminate_backend({next_one.raw.info.backend_pid})")
        await until(lambda: database.counts == Counts(open=1, in_use=0, waiting=0))
        loop = asyncio.get_running_loop()
        assert not loop.remove_reader(number)
        (row,) = await database.fetch("SELECT pg_backend_pid()", {})
        assert row == (kept.raw.info.backend_pid,)


@pytest.mark.long
@BOTH
async def test_connection_lost_while_sending_leaves_loop(
    server: Postgres, method: str
) -> None:
    query, values = "SELECT length(%(text)s)", {"text": "x" * 30_000_000}
    async with breakable(server.url) as proxy, opened(proxy.url) as database:
        await database.fetch(ROWS, {})
        (session,) = database._sessions
        proxy.stall()
        task = asyncio.create_task(getattr(database, method)(query, values))
        await until(lambda: session._writing)
        proxy.resume()
        proxy.cut()
        assert await task == [(30_000_000,)]
        assert session._fileno is None
        assert session not in database._sessions


async def test_connecting_costs_no_query(server: Postgres) -> None:
    session = await Session.connect(parse_dsn(server.url))
    pid = session.raw.info.backend_pid
    asked = f"SELECT query FROM pg_stat_activity WHERE pid = {pid}"
    assert server.ask(asked) == ""
    await session.close()


async def test_text_is_utf8_whatever_the_role_prefers(server: Postgres) -> None:
    server.ask("DROP ROLE IF EXISTS old")
    server.ask("CREATE ROLE old LOGIN")
    server.ask("ALTER ROLE old SET client_encoding = 'LATIN1'")
    async with opened(make_dsn(server.url, user="old")) as database:
        assert await database.fetch("SELECT chr(28450)", {}) == [("漢",)]


@pytest.mark.long
async def test_server_down_is_always_the_same_error_and_mends_itself(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "PAUSE_SECONDS", 0.01)
    tcp = make_dsn(server.url, host="127.0.0.1")
    async with opened(server.url) as by_socket, opened(tcp) as by_tcp:
        for database in (by_socket, by_tcp):
            await database.fetch(ROWS, {})
        server.stop()
        for database in (by_socket, by_tcp):
            for _ in range(20):
                with pytest.raises(DatabaseAway) as caught:
                    await database.fetch(ROWS, {})
                assert isinstance(caught.value.__cause__, psycopg2.OperationalError)
                await asyncio.sleep(0.02)  # so that the next one tries to connect
            tasks = [start(database, ROWS) for _ in range(50)]
            assert {type(each) for each in await outcomes(tasks)} == {DatabaseAway}
        server.start()
        for database in (by_socket, by_tcp):
            await database.fetch(ROWS, {})


async def test_server_down_is_not_asked_for_every_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with opened(f"postgresql://me@127.0.0.1:{port}/name") as database:
        reasons = set()
        for _ in range(50):
            with pytest.raises(DatabaseAway) as caught:
                await database.fetch(ROWS, {})
            reasons.add(id(caught.value.__cause__))
        assert len(reasons) < 50


async def test_unknown_host_is_database_away() -> None:
    async with opened("postgresql://me@no-such-host.invalid/name") as database:
        with pytest.raises(DatabaseAway) as caught:
            await database.fetch(ROWS, {})
        assert isinstance(caught.value.__cause__, socket.gaierror)


@pytest.mark.long
@BOTH
async def test_cancelled_query_ends_in_postgresql_too(
    server: Postgres, method: str
) -> None:
    async with opened(server.url, statement_seconds=HANG_SECONDS) as database:
        sleeper = start(database, "SELECT 'row c', pg_sleep(29)::text", method)
        await until(lambda: server.count("row c"))
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        assert database.counts.open == 0
        await until(lambda: server.count("row c") == 0)


async def test_who_waits_is_served_when_holders_are_cancelled(server: Postgres) -> None:
    async with opened(server.url, connections=2) as database:
        holders = [start(database, "SELECT pg_sleep(20)") for _ in range(2)]
        await until(lambda: database.counts.in_use == 2)
        waiters = [start(database, ROWS) for _ in range(5)]
        await until(lambda: database.counts.waiting == 5)
        for holder in holders:
            holder.cancel()
        assert all(map(list.__len__, await asyncio.gather(*waiters)))


async def test_connection_handed_to_a_cancelled_reader_is_not_lost(
    server: Postgres,
) -> None:
    async with opened(server.url, connections=1) as database:

        async def hold() -> None:
            await database.fetch("SELECT pg_sleep(0.2)", {})
            waiter.cancel()  # it has been given the connection, and not yet woken

        holder = asyncio.create_task(hold())
        await until(lambda: database.counts.in_use == 1)
        waiter, last = start(database, ROWS), start(database, ROWS)
        await holder
        assert isinstance((await outcomes([waiter]))[0], asyncio.CancelledError)
        assert len(await last) == 3
        assert database.counts == Counts(open=1, in_use=0, waiting=0)


async def test_reader_cancelled_in_line_leaves_it(server: Postgres) -> None:
    async with opened(server.url, connections=1) as database:
        holder = start(database, "SELECT pg_sleep(0.3)")
        await until(lambda: database.counts.in_use == 1)
        waiters = [start(database, ROWS) for _ in range(3)]
        await until(lambda: database.counts.waiting == 3)
        waiters[1].cancel()
        await until(lambda: database.counts.waiting == 2)
        first, second, third = await outcomes(waiters)
        assert isinstance(second, asyncio.CancelledError)
        assert len(first) == len(third) == 3
        await holder


@BOTH
async def test_close_ends_running_waiting_and_cancelled_reads(
    server: Postgres, method: str
) -> None:
    async with opened(server.url, connections=2) as database:
        tasks = [start(database, "SELECT pg_sleep(20)::text", method) for _ in range(5)]
        await until(lambda: database.counts == Counts(2, 2, 3))
        await until(lambda: not database._connecting)
        tasks[3].cancel()
        await database.close()  # takes no turn of the loop: nobody is connecting
        for late in (tasks[0], tasks[4]):
            late.cancel()
        kinds = [type(each) for each in await outcomes(tasks)]
        cancelled = asyncio.CancelledError
        assert kinds == [cancelled, DatabaseAway, DatabaseAway, cancelled, cancelled]
        with pytest.raises(DatabaseAway):
            await database.fetch(ROWS, {})


async def test_closed_database_can_be_opened_again(server: Postgres) -> None:
    async with opened(server.url, connections=1) as database:
        await asyncio.gather(*[start(database, ROWS) for _ in range(3)])
        await database.close()
        await database.open()
        await asyncio.gather(*[start(database, ROWS) for _ in range(3)])


async def test_close_ends_reads_that_wait_for_a_connection(server: Postgres) -> None:
    async with breakable(server.url) as proxy, opened(proxy.url) as database:
        proxy.stall()
        tasks = [start(database, ROWS) for _ in range(3)]
        await until(lambda: proxy.accepted)
        await database.close()
        assert {type(each) for each in await outcomes(tasks)} == {DatabaseAway}


@pytest.mark.long
async def test_statement_timeout_is_no_cancellation(server: Postgres) -> None:
    async with opened(server.url, connections=1, statement_seconds=1.0) as database:
        pid = await database.fetch("SELECT pg_backend_pid()", {})
        with pytest.raises(StatementTimeout) as caught:
            await database.fetch("SELECT pg_sleep(20)", {})
        assert isinstance(caught.value.__cause__, psycopg2.errors.QueryCanceled)
        with pytest.raises(StatementTimeout):
            await database.fetch_binary("SELECT pg_sleep(20)::text", {})
        assert await database.fetch("SELECT pg_backend_pid()", {}) == pid


@pytest.mark.long
@BOTH
async def test_silent_server_is_a_statement_timeout(
    server: Postgres, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "GRACE_SECONDS", 0.1)
    async with (
        breakable(server.url) as proxy,
        opened(proxy.url, connections=3, statement_seconds=1.0) as database,
    ):
        await open_all(database, 3)
        proxy.stall()
        with pytest.raises(StatementTimeout) as caught:
            await getattr(database, method)(ROWS, {})
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert database.counts.open == 0
        proxy.resume()
        await database.fetch(ROWS, {})


@pytest.mark.long
async def test_readers_are_served_in_turn_however_long_the_line(
    server: Postgres,
) -> None:
    served: list[int] = []
    async with opened(server.url, connections=1, wait_seconds=2) as database:

        async def read(number: int) -> None:
            await database.fetch("SELECT pg_sleep(0.08)", {})
            served.append(number)

        await asyncio.gather(*map(read, range(50)))  # takes twice what one may wait
        assert served == list(range(50))


async def test_thousand_readers_share_ten_connections(server: Postgres) -> None:
    async with opened(server.url, connections=10) as database:
        tasks = [start(database, ROWS) for _ in range(1000)]
        assert all(len(rows) == 3 for rows in await outcomes(tasks))
        counts = database.counts
        assert 0 < counts.open <= 10
        assert (counts.in_use, counts.waiting) == (0, 0)


async def test_who_waits_is_refused_when_nobody_is_served(server: Postgres) -> None:
    async with opened(server.url, connections=2, wait_seconds=1) as database:
        holders = [start(database, "SELECT pg_sleep(20)") for _ in range(2)]
        await until(lambda: database.counts.in_use == 2)
        waiters = [start(database, ROWS) for _ in range(20)]
        assert {type(each) for each in await outcomes(waiters)} == {DatabaseAway}
        for holder in holders:
            holder.cancel()
        await database.fetch(ROWS, {})


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Take the numbers that select() could watch."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1030:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_descriptors_above_select_report_their_errors(server: Postgres) -> None:
    with many_descriptors():
        async with opened(server.url, connections=1) as database:
            with pytest.raises(psycopg2.errors.SyntaxError):
                await database.fetch("SELEC 1", {})
            sleeper = start(database, "SELECT 'row f', pg_sleep(20)")
            await until(lambda: server.count("row f"))
            assert next(iter(database._sessions)).raw.fileno() > 1023
            server.ask(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE query LIKE '%row f%' AND pid != pg_backend_pid()"
            )
            await until(
                lambda: server.count("row f")
            )  # the retry, which a restart ends
            server.stop()
            (outcome,) = await outcomes([sleeper])
            assert type(outcome) is DatabaseAway


@pytest.mark.parametrize("first", ["127.0.0.2", "::1"])
async def test_address_that_refuses_gives_way_to_the_next(
    server: Postgres, first: str
) -> None:
    url = make_dsn(server.url, host=f"{first},127.0.0.1")
    async with opened(url, connections=5) as database:
        tasks = [start(database, ROWS) for _ in range(5)]
        assert all(len(rows) == 3 for rows in await outcomes(tasks))


async def test_localhost_is_looked_up_without_libpq(server: Postgres) -> None:
    async with opened(make_dsn(server.url, host="localhost")) as database:
        (row,) = await database.fetch("SELECT host(inet_server_addr())", {})
        assert row == ("127.0.0.1",)


async def test_black_hole_refuses_all_who_wait_together(server: Postgres) -> None:
    async with (
        breakable(server.url) as proxy,
        opened(proxy.url, connections=3, wait_seconds=0.5) as database,
    ):
        proxy.stall()
        tasks = [start(database, ROWS) for _ in range(100)]
        assert {type(each) for each in await outcomes(tasks)} == {DatabaseAway}
        assert proxy.accepted <= 3
        await until(lambda: not database._connecting)
        proxy.resume()
        await recovered(database)


async def test_answer_that_stops_midway_leaves_the_loop_free(server: Postgres) -> None:
    values = {"name": "", "hex": "aa" * 2**20}
    async with breakable(server.url) as proxy, opened(proxy.url) as database:
        await database.fetch(ROWS, {})
        proxy.limit, proxy.after_limit = 60, proxy.stall
        task = asyncio.create_task(database.fetch_binary(BYTES, values))
        await until(lambda: proxy.limit is None)
        await asyncio.sleep(0.2)
        assert not task.done()
        proxy.resume()
        assert [row[1] for row in await task] == [b"\xaa" * 2**20]


async def test_answer_that_breaks_off_is_asked_for_again(server: Postgres) -> None:
    values = {"name": "", "hex": "aa" * 2**20}
    async with breakable(server.url) as proxy, opened(proxy.url) as database:
        await database.fetch(ROWS, {})
        proxy.limit, proxy.after_limit = 300_000, proxy.cut
        rows = await database.fetch_binary(BYTES, values)
        assert [row[1] for row in rows] == [b"\xaa" * 2**20]
        assert proxy.accepted == 2


async def test_answer_that_breaks_off_twice_is_database_away(server: Postgres) -> None:
    async with breakable(server.url) as proxy, opened(proxy.url) as database:
        sleeper = start(database, "SELECT pg_sleep(20)")
        for accepted in (1, 2):
            await until(lambda: database.counts.in_use and proxy.accepted == accepted)  # noqa: B023
            proxy.cut()
        assert type((await outcomes([sleeper]))[0]) is DatabaseAway


async def test_fewer_connections_than_wished_serve_everybody(server: Postgres) -> None:
    server.ask("DROP ROLE IF EXISTS few")
    server.ask("CREATE ROLE few LOGIN CONNECTION LIMIT 2")
    url = make_dsn(server.url, user="few")
    async with opened(url, connections=6) as database:
        await database.fetch(ROWS, {})
        tasks = [start(database, "SELECT pg_sleep(0.05)") for _ in range(30)]
        assert {type(each) for each in await outcomes(tasks)} == {list}
        assert database.counts.open == 2


@BOTH
async def test_random_cancellations_lose_nothing(server: Postgres, method: str) -> None:
    dice = random.Random(1)
    async with opened(server.url, connections=4) as database:
        query = "SELECT pg_sleep(0.001)::text"
        tasks = [start(database, query, method) for _ in range(400)]
        cancelled = dice.sample(range(400), 200)
        for number in cancelled:
            tasks[number].cancel()
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
        done = await outcomes(tasks)
        assert {type(each) for each in done} == {list, asyncio.CancelledError}
        for number in set(range(400)) - set(cancelled):
            assert type(done[number]) is list
        assert len(await database.fetch(ROWS, {})) == 3
        assert database.counts.in_use == database.counts.waiting == 0


async def test_options_of_the_address_are_kept(server: Postgres) -> None:
    url = make_dsn(server.url, options="-c search_path=pg_catalog")
    query = "SELECT current_setting('search_path'), current_setting(%(name)s)"
    async with opened(url, statement_seconds=7) as database:
        (row,) = await database.fetch(query, {"name": "statement_timeout"})
        assert row == ("pg_catalog", "7s")


async def test_dead_peer_is_noticed_by_the_kernel(server: Postgres) -> None:
    async with opened(make_dsn(server.url, host="127.0.0.1")) as database:
        await database.fetch(ROWS, {})
        number = next(iter(database._sessions)).raw.fileno()
        with socket.socket(fileno=os.dup(number)) as peer:
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000


def count_faults(pid: int) -> int:
    """Return how often a process waited for a page of memory (proc_pid_stat(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
async def test_backend_keeps_the_memory_of_a_slice(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", random.Random(18).randbytes(2 << 20))
    sides = {"starts": [100_000, 900_000], "lengths": [262_144, 262_144]}
    values = {"ids": [number, number], **sides}
    async with opened(database_url, connections=1) as database:
        for _ in range(5):
            await database.fetch_binary(queries()["read_videos"], values)
        ((backend,),) = await database.fetch("SELECT pg_backend_pid()", {})
        before = count_faults(backend)
        for _ in range(50):
            rows = await database.fetch_binary(queries()["read_videos"], values)
            assert [len(row[-1]) for row in rows] == [262_144, 262_144]
        assert count_faults(backend) - before < 50 * 64


@pytest.fixture(params=["", "ignore_startup_parameters = options"])
def pooler(server: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    program = which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer isn't installed")
    configuration = server.folder / "pgbouncer.ini"
    configuration.write_text(
        f"""[databases]
postgres = host={server.folder} port={server.port} user=postgres
[pgbouncer]
listen_port = {server.port + 1}
unix_socket_dir = {server.folder}
auth_type = any
pool_mode = transaction
default_pool_size = 2
{request.param}
"""
    )
    process = subprocess.Popen(
        [program, configuration],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **server.account,
    )
    path = server.folder / f".s.PGSQL.{server.port + 1}"
    try:
        for _ in range(500):
            if path.exists():
                break
            time.sleep(0.02)
        yield make_dsn(server.url, port=server.port + 1)
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


async def test_pooler_serves_both_kinds_of_read(pooler: str) -> None:
    values = {"name": "ö", "hex": "00ff"}
    async with opened(pooler, connections=5, statement_seconds=0.5) as database:
        assert len(await database.fetch(ROWS, {})) == 3
        for _ in range(3):
            reads = [database.fetch_binary(BYTES, values) for _ in range(20)]
            rows = await asyncio.gather(*reads)
            assert rows == [[("ö", b"\x00\xff", None)]] * 20
        for fetch in (database.fetch, database.fetch_binary):
            with pytest.raises(StatementTimeout) as caught:
                await fetch("SELECT 'slow' FROM pg_sleep(20)", {})
            assert isinstance(caught.value.__cause__, psycopg2.errors.QueryCanceled)
        assert len(await database.fetch(ROWS, {})) == 3


@pytest.fixture(scope="module")
def standby(kept: Postgres) -> Iterator[Postgres]:
    if kept.process is None:
        kept.start()
    second = Postgres(kept.folder, "standby")
    second.run("pg_basebackup", "-R", "-c", "fast", "--no-sync", "-d", kept.url)
    second.start()
    yield second
    second.stop(signal.SIGQUIT)


async def test_standby_serves_both_kinds_of_read(standby: Postgres) -> None:
    values = {"name": "ö", "hex": "00ff"}
    async with opened(standby.url) as database:
        assert await database.fetch("SELECT pg_is_in_recovery()", {}) == [(True,)]
        rows = await database.fetch_binary(BYTES, values)
        assert rows == [("ö", b"\x00\xff", None)]
