"""Rows of a named statement by the names of their columns, for the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor as Cursor

    Row = dict[str, Any]


def read_rows(
    cursor: Cursor, query: str, values: Mapping[str, object] | None = None
) -> list[Row]:
    """Execute a named statement; return each row as {column: value}."""
    cursor.execute(queries()[query], values or {})
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
