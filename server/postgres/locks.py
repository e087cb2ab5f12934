"""How long transactions wait for locks: as long as it takes, unless that is limited."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor

_seconds: ContextVar[float] = ContextVar("lock_seconds", default=0.0)


@contextmanager
def limited_lock_waits(seconds: float) -> Iterator[None]:
    """Have transactions that this thread begins wait for a lock no longer."""
    token = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(token)


def limit_lock_waits(cursor: Cursor) -> None:
    """Give the limit to a transaction, if there is one; until the commit."""
    if seconds := _seconds.get():
        milliseconds = str(round(seconds * 1000))
        cursor.execute(queries()["limit_lock_waits"], {"milliseconds": milliseconds})
