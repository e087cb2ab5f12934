"""A plain connection for the commands, and what PostgreSQL says as one line."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import parse_dsn

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection

CONNECT_SECONDS = 10
# What the URL doesn't say: a peer that has gone is noticed, also by an idle session.
PEER_DEFAULTS = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# Milliseconds. A server that writes much may take nothing more for seconds, during an
# import for example; TCP counts that as silence too.
_SILENT_MS = "60000"
_BAD_URL = (
    "cannot read the database URL: write postgresql://user:password@host:port/name, "
    "with %40 for @, %2F for / and %3A for : in the password"
)


_hear: ContextVar[Callable[[connection], object] | None] = ContextVar(
    "hear", default=None
)


class Unreachable(Fault):
    """Nobody answers at the address, or refuses us."""


def connect(url: str) -> connection:
    """Return a connection that speaks UTF8.

    Fault for a URL that cannot be read, Unreachable if nobody answers within ten
    seconds; neither shows the password.
    """
    try:
        asked = parse_dsn(url)
    except (psycopg2.ProgrammingError, UnicodeError):
        raise Fault(_BAD_URL) from None
    defaults = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": _SILENT_MS}
    options = {**defaults, **PEER_DEFAULTS, **asked, "client_encoding": "UTF8"}
    try:
        database: connection = psycopg2.connect(**options)
    except psycopg2.OperationalError as error:
        raise explain_connecting(asked, first_line(error)) from None
    # A role may have other defaults; a snapshot older than the lock would be stale.
    database.set_session(isolation_level="READ COMMITTED", readonly=False)
    if (hear := _hear.get()) is not None:
        hear(database)
    return database


@contextmanager
def hearing_of_connections(hear: Callable[[connection], object]) -> Iterator[None]:
    """Tell hear of each connection that this thread opens."""
    token = _hear.set(hear)
    try:
        yield
    finally:
        _hear.reset(token)


def explain_connecting(asked: dict[str, str], reason: str) -> Fault:
    """Return Unreachable for the parameters of a URL, without the password."""
    host = asked.get("host", "the local socket")
    name = asked.get("dbname", "of the user's name")
    # Signs left bare in a password make it stray into these: then show nothing.
    ports = asked.get("port", "5432").split(",")
    if "@" in host + name or not all(port.isdigit() for port in ports):
        return Fault(_BAD_URL)
    return Unreachable(
        f"cannot connect to the database {name} on {host} ({reason}): "
        "check that it runs and that the URL is right"
    )


def first_line(error: psycopg2.Error) -> str:
    """Return the message without detail, hint and context."""
    line, _, _ = str(error).strip().partition("\n")
    return error.diag.message_primary or line
