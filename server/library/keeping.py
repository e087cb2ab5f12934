"""Keep a file in the table: find its row, or insert it and have it verified."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import UniqueViolation

from server.connect import first_line
from server.errors import Fault
from server.library.upload import PIECE_BYTES, Row, Upload, build_copy
from server.queries import queries

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.check import Flaw
    from server.library.movie import Movie

# A value and the rest of its row must stay below 1 GiB together.
MAX_BYTES = 1_073_740_000
# Errors of PostgreSQL (its Appendix A) that a single file can cause: its values, a
# constraint, a limit, memory, one allocation too large. All others stop the import.
_CODES_OF_ONE_FILE = ("22", "23", "54", "53200", "XX000")


class Imported(NamedTuple):
    """What became of one file; numbers are those of its row."""

    file: str
    status: str  # imported, exists or rejected
    video_id: int | None = None
    bytes: int | None = None
    duration_seconds: int | None = None
    error: str | None = None
    flaws: tuple[Flaw, ...] = ()  # of what is in the table now
    repaired: str | None = None  # fixed or transcoded

    def told(self) -> dict[str, object]:
        """Return what programs are told; the last two only if there is something."""
        fields = self._asdict()
        codes = [flaw.code for flaw in fields.pop("flaws")]
        repaired = fields.pop("repaired")
        return {
            **fields,
            **({"warnings": codes} if codes else {}),
            **({"repaired": repaired} if repaired else {}),
        }


def measure_size(source: io.BufferedReader, shown: str) -> int:
    """Return the bytes of a file; Fault if PostgreSQL cannot keep so many."""
    size = os.fstat(source.fileno()).st_size
    if size > MAX_BYTES:
        raise Fault(
            f"{shown} has {size} bytes, and PostgreSQL keeps at most {MAX_BYTES} as "
            "one value: make it shorter or compress it more"
        )
    return size


def digest_file(source: io.BufferedReader) -> bytes:
    """Return the SHA-256 of a file."""
    source.seek(0)
    return hashlib.file_digest(source, "sha256").digest()


def build_row(name: str, movie: Movie, digest: bytes) -> Row:
    """Return the row to be of a file whose boxes have told the rest."""
    kind = "video/quicktime" if movie.brand == "qt  " else "video/mp4"
    # At least one second: 0 would read as no video at all.
    seconds = max(round(movie.seconds), 1) if movie.seconds else None
    return Row(name, kind, movie.size, seconds, digest)


def find_same(
    connection: Connection, name: str, digest: bytes, shown: str
) -> Imported | None:
    """Return the row of this name and these bytes."""
    with _transaction(connection) as cursor:
        cursor.execute(queries()["find_import"], {"filename": name, "sha256": digest})
        found = cursor.fetchone()
    if found is None or not found[3]:
        return None
    video_id, size, seconds, _ = found
    return Imported(shown, "exists", video_id, size, seconds)


def keep_file(
    connection: Connection,
    row: Row,
    source: io.BufferedReader,
    shown: str,
    progress: Callable[[int], object],
) -> Imported:
    """Insert the row, or find that it is there."""
    try:
        with _transaction(connection) as cursor:
            found = _find(cursor, row, shown)
            return found or _insert(cursor, row, source, shown, progress)
    except UniqueViolation:  # another import was faster
        with _transaction(connection) as cursor:
            found = _find(cursor, row, shown)
    if found is None:
        raise Fault(f"{shown} came and went in the table meanwhile: import it again")
    return found


@contextmanager
def _transaction(connection: Connection) -> Iterator[Cursor]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(queries()["allow_long_statements"])
            yield cursor
        connection.commit()
    except BaseException:
        with suppress(psycopg2.Error):  # a lost connection has rolled back already
            connection.rollback()
        raise


def _find(cursor: Cursor, row: Row, shown: str) -> Imported | None:
    """Return the row of this name and these bytes; Fault if the bytes are others."""
    cursor.execute(queries()["find_import"], row._asdict())
    found = cursor.fetchone()
    if found is None:
        return None
    video_id, size, duration_seconds, same = found
    if not same:
        raise Fault(
            f"{shown} has other bytes than video {video_id}, which has the same name: "
            "rename the file, or delete that video first"
        )
    return Imported(shown, "exists", video_id, size, duration_seconds)


def _insert(
    cursor: Cursor,
    row: Row,
    source: io.BufferedReader,
    shown: str,
    progress: Callable[[int], object],
) -> Imported:
    """Copy the file into the table and have PostgreSQL compare the digest."""
    source.seek(0)
    upload = Upload(build_copy(row, source, progress))
    try:
        cursor.copy_expert(queries()["copy_video"], upload, PIECE_BYTES)
    except psycopg2.Error:
        if upload.failure is not None:
            raise upload.failure from None
        raise
    cursor.execute(queries()["verify_import"], row._asdict())
    found = cursor.fetchone()
    if found is None or os.fstat(source.fileno()).st_size != row.size:
        raise Fault(
            f"{shown} changed while it was imported: import it when it is complete"
        )
    return Imported(shown, "imported", found[0], row.size, row.duration_seconds)


def explain_refusal(connection: Connection, error: psycopg2.Error, shown: str) -> str:
    """Return why PostgreSQL refuses this file; Fault if it would refuse all."""
    if connection.closed:
        raise Fault(
            f"the connection to PostgreSQL was lost at {shown}, which is not in the "
            "table: import it again when the database is back"
        ) from error
    reason = first_line(error)
    if (error.pgcode or "").startswith(_CODES_OF_ONE_FILE):
        return f"{shown} was refused by PostgreSQL ({reason}): mend that, or leave it"
    raise Fault(
        f"PostgreSQL takes no videos ({reason}): mend that, then import again"
    ) from error
