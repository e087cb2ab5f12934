"""Which tables there are beside videos: a database of others need have none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.postgres.rows import Row

PAGE_ROWS = 500


class Tables(NamedTuple):
    """What we may read, and whether checks can be kept."""

    links: bool  # definitions, questions and what they show
    views: bool
    checks: bool
    keeps_checks: bool


def describe_tables(cursor: Cursor) -> Tables:
    """Return which tables there are."""
    [row] = read_rows(cursor, "describe_tables")
    return Tables(**row)


def need_links(tables: Tables) -> None:
    """Raise Fault where nothing can be linked."""
    if not tables.links:
        raise Fault(
            "this database has no words with links to videos: run bytereel migrate, "
            "and see that you may read its tables"
        )


def need_checks(tables: Tables) -> None:
    """Raise Fault where no checks can be looked up."""
    if not tables.checks:
        raise Fault(
            "this database has no table of checks: run bytereel migrate, then "
            "bytereel check --all"
        )


def stream_pages(
    connection: Connection, query: str, values: Mapping[str, object]
) -> Iterator[list[Row]]:
    """Yield the rows of a named statement in pages, without holding all of them."""
    with connection.cursor(query) as cursor:
        cursor.itersize = PAGE_ROWS
        cursor.execute(queries()[query], values)
        while rows := cursor.fetchmany(PAGE_ROWS):
            names = [column.name for column in cursor.description or ()]
            yield [dict(zip(names, row, strict=True)) for row in rows]
