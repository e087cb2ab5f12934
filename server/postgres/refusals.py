"""A connection for the commands that keep the library; refusals are one sentence."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.postgres.locks import limit_lock_waits
from server.postgres.plain import connect, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection

ABSENT = ("42P01", "42703")  # undefined table, undefined column
_READ_ONLY = "25006"
# Errors of PostgreSQL (its Appendix A) that come of damage: corrupt, internal, disk.
_DAMAGE = ("XX", "58")


@contextmanager
def opening(url: str) -> Iterator[Connection]:
    """Yield a connection; what is not committed is undone at the end.

    An error of psycopg2 becomes a Fault, as explain words it.
    """
    with closing(connect(url)) as connection:
        connection.set_session(readonly="default")  # a standby refuses READ WRITE
        try:
            with connection.cursor() as cursor:
                limit_lock_waits(cursor)
            yield connection
        except psycopg2.Error as error:
            raise explain(connection, error) from error


def explain(connection: Connection, error: psycopg2.Error) -> Fault:
    """Return why PostgreSQL stopped a command, and what to do."""
    reason = first_line(error)
    if connection.closed:
        return Fault(
            f"the connection to PostgreSQL was lost ({reason}): "
            "run it again when the database is back"
        )
    if error.pgcode in ABSENT:
        return Fault(f"the database lacks a table ({reason}): run bytereel migrate")
    if error.pgcode == _READ_ONLY:
        return Fault(f"nothing can be written ({reason}): use the URL of the primary")
    if is_damage(error):
        return Fault(f"the database is damaged ({reason}): run bytereel verify")
    return Fault(f"PostgreSQL refused ({reason}): fix that, then run it again")


def find_remedy(error: psycopg2.Error) -> str:
    """Return what to do where videos cannot be served: check_videos raised this."""
    if error.pgcode in ABSENT:
        return "run bytereel migrate"
    return "in the view of that name, cast the column to the type that is served"


def is_damage(error: psycopg2.Error) -> bool:
    """Report whether PostgreSQL stopped at something damaged."""
    return (error.pgcode or "").startswith(_DAMAGE)
