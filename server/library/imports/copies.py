"""Tell of files whose bytes are in the table already, under another name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg2

from server.library.clips.check import WARNING, Flaw
from server.library.files import show_text
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg2.extensions import connection as Connection

    from server.library.imports.rows import Imported
    from server.postgres.rows import Row

_REMEDY = "keep one of them, and link that one to all its words"


def mark_copies(url: str, rows: Iterable[Imported]) -> Iterator[Imported]:
    """Yield what became of files, with a warning for each that is a copy.

    It is a copy of a video that was there before the run, or of a file that came before
    it in this one: so the warnings are the same with any number of jobs.
    """
    with opening(url) as connection:
        newest = _ask(connection, "find_newest_video", {})
        seen: dict[bytes, str] = {}
        for done in rows:
            if not done.digests:
                yield done
                continue
            values = {
                "digests": list(done.digests),
                "newest": newest[0]["id"] if newest else 0,
            }
            same = [
                f"video {row['id']} ({show_text(row['filename'])})"
                for row in _ask(connection, "find_same_bytes", values)
            ]
            same += [seen[digest] for digest in done.digests if digest in seen]
            for digest in done.digests:
                seen.setdefault(digest, show_text(done.file))
            if same:
                sentence = f"has the same bytes as {same[0]}"
                flaw = Flaw("same-bytes", WARNING, sentence, _REMEDY)
                done = done._replace(flaws=(*done.flaws, flaw))
            yield done


def _ask(connection: Connection, query: str, values: Row) -> list[Row]:
    """Return the rows; none if the database has gone, which the import itself tells."""
    with suppress(psycopg2.Error), connection, connection.cursor() as cursor:
        return read_rows(cursor, query, values)
    return []
