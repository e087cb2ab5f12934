"""Tell what is wrong with clips that are in the table already, if a check has told."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg2

from server.library.clips.check import NOTE, read_flaws
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg2.extensions import connection as Connection

    from server.library.clips.check import Flaw
    from server.library.imports.rows import Imported


def mark_flaws(url: str, rows: Iterable[Imported]) -> Iterator[Imported]:
    """Yield what became of files, with the kept flaws of those that exist.

    Only flaws that a repair mends are told.
    """
    with opening(url) as connection:
        for done in rows:
            if done.status == "exists" and done.video_id is not None:
                flaws = done.flaws or _read_kept(connection, done.video_id)
                yield done._replace(flaws=flaws)
            else:
                yield done


def _read_kept(connection: Connection, video_id: int) -> tuple[Flaw, ...]:
    """Return what a check has kept; nothing where no checks can be read."""
    with suppress(psycopg2.Error), connection, connection.cursor() as cursor:
        rows = read_rows(cursor, "read_check", {"id": video_id})
        return tuple(
            flaw
            for row in rows
            for flaw in read_flaws(row["flaws"])
            if flaw.repair and flaw.severity != NOTE
        )
    return ()
