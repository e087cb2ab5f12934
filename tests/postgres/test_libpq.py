"""What psycopg2 lacks, by libpq itself: each of its dangers, on a real connection."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from server.postgres import libpq
from server.postgres.libpq import Exchange, check_version
from server.postgres.session import Limits, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LIMITS = Limits(10)


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Session]:
    opened = await Session.connect(parse_dsn(database_url))
    yield opened
    opened.close()


async def read(session: Session, query: str, **values: object) -> list[Any]:
    return await session.read_binary(query, values, LIMITS)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", None, None),
        ("text", None, None),
        ("int", 5, 5),
        ("int", -(2**31), -(2**31)),
        ("bigint", 2**62, 2**62),
        ("text", "ä\u2028'\\", "ä\u2028'\\"),
        ("text", "", ""),
        ("boolean", True, "true"),
        ("float8", 1.5, "1.5"),
    ],
)
async def test_value_arrives_as_it_was_sent(
    session: Session, kind: str, value: object, expected: object
) -> None:
    column = f"%(value)s::{kind}"
    if kind in {"boolean", "float8"}:
        column += "::text"
    assert await read(session, f"SELECT {column}", value=value) == [(expected,)]


async def test_list_arrives_as_an_array(session: Session) -> None:
    query = "SELECT unnest(%(ids)s::int[])"
    assert await read(session, query, ids=[3, -1, 2]) == [(3,), (-1,), (2,)]
    assert await read(session, query, ids=[]) == []


@pytest.mark.parametrize("value", [b"a", {}, object(), ["a"], [None], [True], 1j])
async def test_what_cannot_be_sent_is_a_type_error(
    session: Session, value: object
) -> None:
    with pytest.raises(TypeError, match="no type that can be sent"):
        await read(session, "SELECT %(value)s::text", value=value)
    assert await read(session, "SELECT 1") == [(1,)]


async def test_text_with_a_nul_is_a_value_error(session: Session) -> None:
    with pytest.raises(ValueError, match="NUL"):
        await read(session, "SELECT %(value)s::text", value="a\0b")
    assert await read(session, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("query", ["SELECT now()", "SELECT ROW(1, now())"])
async def test_unknown_type_leaves_the_session_alive(
    session: Session, query: str
) -> None:
    for _ in range(2):  # prepared, and kept
        with pytest.raises(psycopg2.NotSupportedError, match=r"1184.*cast it"):
            await read(session, query)
        assert await read(session, "SELECT 1") == [(1,)]


async def test_error_of_postgresql_leaves_the_session_alive(session: Session) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        await read(session, "SELECT 1 / %(value)s::int", value=0)
    assert await read(session, "SELECT 1") == [(1,)]


async def test_text_that_is_no_utf8_is_shown_as_far_as_it_goes(
    cluster: str, empty_url: str
) -> None:
    admin = cluster.format(database="postgres")
    name = "without_encoding"
    with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        )
    session = await Session.connect(parse_dsn(cluster.format(database=name)))
    try:
        query = "SELECT convert_from('\\x61ff'::bytea, 'SQL_ASCII')"
        assert await read(session, query) == [("a\ufffd",)]
        assert await read(session, "SELECT 1") == [(1,)]
    finally:
        session.close()


def test_pointer_of_a_closed_connection_is_not_used(database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    exchange = Exchange(connection, "SELECT 1", {})
    connection.close()
    values: Mapping[str, object] = {}
    for call in (
        lambda: exchange.send("", set()),
        exchange.advance,
        exchange.unsent,
        lambda: Exchange(connection, "SELECT 1", values).send("", set()),
    ):
        with pytest.raises(psycopg2.InterfaceError, match="closed"):
            call()


def test_old_or_foreign_libpq_is_a_sentence() -> None:
    check_version(14_00_00)
    with pytest.raises(ImportError, match="its libpq is 13, not 14"):
        check_version(13_00_21)
    with pytest.raises(ImportError, match="its libpq has no PQnothing"):
        libpq._declare("PQnothing", None)
