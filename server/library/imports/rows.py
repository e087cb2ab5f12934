"""Keep a file in the table: find its row, or insert it and have it verified."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import UniqueViolation

from server.errors import Fault
from server.library.clips.thumbnail import save_thumbnail
from server.library.files import name_repaired, show_text
from server.library.imports.copy_stream import (
    PIECE_BYTES,
    CopyStream,
    VideoRow,
    build_copy,
)
from server.postgres.locks import limit_lock_waits
from server.postgres.plain import first_line
from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.clips.check import Flaw
    from server.library.clips.thumbnail import MadeThumbnail
    from server.library.mp4.movie import Movie
    from server.postgres.rows import Row

# A value and the rest of its row must stay below 1 GiB together.
MAX_BYTES = 1_073_740_000
MAX_SECONDS = (1 << 31) - 1  # of an integer
# Errors of PostgreSQL (its Appendix A) that a single file can cause: its values, a
# constraint, a limit, memory, one allocation too large. All others stop the import.
_CODES_OF_ONE_FILE = ("22", "23", "54", "53200", "XX000")


Digest = bytes  # a field of Imported has that name


class NameTaken(Fault):
    """Another video has the name."""


class Imported(NamedTuple):
    """What became of one file; numbers are those of its row."""

    file: str
    status: str  # imported, exists or rejected; in a dry run would-import
    video_id: int | None = None
    bytes: int | None = None
    duration_seconds: int | None = None
    error: str | None = None
    flaws: tuple[Flaw, ...] = ()  # of what is in the table now
    repaired: str | None = None  # fixed or transcoded
    digests: tuple[Digest, ...] = ()  # of what is new: its own, and its original's

    def told(self) -> dict[str, object]:
        """Return it for JSON; warnings and repaired only if there are any."""
        fields = self._asdict()
        codes = [flaw.code for flaw in fields.pop("flaws")]
        repaired = fields.pop("repaired")
        del fields["digests"]
        return {
            **fields,
            **({"warnings": codes} if codes else {}),
            **({"repaired": repaired} if repaired else {}),
        }


class KnownVideo(NamedTuple):
    """A video in the table; in a dry run also one that would be there by now."""

    sha256: bytes | None
    source_sha256: bytes | None  # of the file it was repaired from
    video_id: int | None
    size: int | None  # bytes
    duration_seconds: int | None
    file: str | None = None  # that this run has found it to be

    def tell(self, shown: str) -> Imported:
        """Return that a file is this one."""
        return Imported(
            shown, "exists", self.video_id, self.size, self.duration_seconds
        )


class Inventory(NamedTuple):
    """What the table has under some names, and what it can keep besides videos."""

    videos: dict[str, KnownVideo]
    keeps_source: bool
    keeps_thumbnails: bool
    keeps_results: bool = False  # counts of what became of files
    keeps_levels: bool = False  # what is to be encoded


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


def build_row(
    name: str, movie: Movie, digest: bytes, source: bytes | None = None
) -> VideoRow:
    """Return the row to be of a file whose boxes have told the rest."""
    kind = "video/quicktime" if movie.brand == "qt  " else "video/mp4"
    return VideoRow(
        name, kind, movie.size, round_seconds(movie.seconds), digest, source
    )


def round_seconds(seconds: float) -> int | None:
    """Return whole seconds as the column takes them, None for what it cannot hold.

    At least one: 0 would read as no video at all.
    """
    if not 0 < seconds <= MAX_SECONDS:  # nor NaN
        return None
    return max(round(seconds), 1)


def list_names(names: Iterable[str]) -> set[str]:
    """Return the names that the table may know these by; not those it cannot keep."""
    both = {each for name in names for each in (name, name_repaired(name))}
    return {name for name in both if "\0" not in name and _is_unicode(name)}


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def read_inventory(connection: Connection, names: Iterable[str]) -> Inventory:
    """Return what the table has under these names."""
    with transaction(connection) as cursor:
        [keeps] = read_rows(cursor, "describe_inventory")
        rows = read_rows(cursor, "list_imports", {"names": list(names)})
    return Inventory({row.pop("filename"): _build_known(row) for row in rows}, **keeps)


def _build_known(row: Row) -> KnownVideo:
    for digest in ("sha256", "source_sha256"):
        row[digest] = row[digest] and bytes(row[digest])
    return KnownVideo(**row)


def note_results(connection: Connection, results: Iterable[Imported]) -> None:
    """Count what became of files, where there is a table for it.

    Each is counted when it is done, so that the counts survive a kill.
    """
    counts = Counter(done.repaired or done.status for done in results)
    values = {"results": list(counts), "files": list(counts.values())}
    if counts:
        with suppress(psycopg2.Error), transaction(connection) as cursor:
            cursor.execute(queries()["commit_without_waiting"])
            cursor.execute(queries()["note_results"], values)


def find_same(
    inventory: Inventory, name: str, repaired_name: str, digest: bytes
) -> tuple[str, KnownVideo] | None:
    """Return name and video that a file of this digest is, as it is or repaired."""
    known = inventory.videos.get(name)
    if known and known.sha256 == digest:
        return name, known
    known = inventory.videos.get(repaired_name)
    if known and known.source_sha256 == digest:
        return repaired_name, known
    return None


def check_free(inventory: Inventory, name: str, shown: str) -> None:
    """Raise NameTaken if a video has the name; the caller knows that it differs."""
    known = inventory.videos.get(name)
    if known is None:
        return
    if not shown.endswith(show_text(name)):
        shown = f"{shown}, which becomes {show_text(name)},"
    if known.file is not None:
        raise NameTaken(
            f"{shown} has other bytes than {known.file}, which has the same name: "
            "rename one of them"
        )
    raise NameTaken(
        f"{shown} has other bytes than video {known.video_id}, which has the same "
        "name: rename the file, or delete that video first"
    )


def keep_file(
    connection: Connection,
    row: VideoRow,
    source: io.BufferedReader,
    shown: str,
    progress: Callable[[int], object],
    thumbnail: MadeThumbnail | None = None,
    levels: Sequence[int] = (),
) -> Imported:
    """Insert the row, or find that it is there meanwhile.

    levels are the heights of smaller encodings that are queued with it.
    NameTaken if another import has taken the name, Fault if the file has changed.
    """
    try:
        with transaction(connection) as cursor:
            done = insert_file(cursor, row, source, shown, progress)
            if thumbnail and done.video_id is not None:
                save_thumbnail(cursor, done.video_id, thumbnail)
            if levels:
                asked = {"heights": list(levels), "ids": [done.video_id]}
                cursor.execute(queries()["queue_encodings"], asked)
            return done
    except UniqueViolation:  # another import was faster
        inventory = read_inventory(connection, [row.filename])
    known = inventory.videos.get(row.filename)
    if known and known.sha256 == row.sha256:
        return known.tell(shown)
    check_free(inventory, row.filename, shown)
    raise Fault(f"{shown} was added and deleted by others meanwhile: import it again")


def keep_source(connection: Connection, row: VideoRow) -> None:
    """Note what a video was repaired from, which older versions did not."""
    with transaction(connection) as cursor:
        cursor.execute(queries()["save_source"], row._asdict())


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """Yield a cursor of a transaction whose statements may take their time."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(queries()["allow_long_statements"])
            limit_lock_waits(cursor)
            yield cursor
        connection.commit()
    except BaseException:
        with suppress(psycopg2.Error):  # a lost connection has rolled back already
            connection.rollback()
        raise


def insert_file(
    cursor: Cursor,
    row: VideoRow,
    source: io.BufferedReader,
    shown: str,
    progress: Callable[[int], object],
) -> Imported:
    """Copy the file into the table and have PostgreSQL compare the digest.

    Fault if the file has changed meanwhile.
    """
    source.seek(0)
    upload = CopyStream(build_copy(row, source, progress))
    copy = "copy_video" if row.source_sha256 is None else "copy_repaired_video"
    try:
        cursor.copy_expert(queries()[copy], upload, PIECE_BYTES)
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
    done = Imported(shown, "imported", found[0], row.size, row.duration_seconds)
    return done._replace(digests=row.digests)


def explain_refusal(connection: Connection, error: psycopg2.Error, shown: str) -> str:
    """Return why PostgreSQL refuses this file; Fault if it would refuse all."""
    if connection.closed:
        raise Fault(
            f"the connection to PostgreSQL was lost at {shown}, which is not in the "
            "table: import it again when the database is back"
        ) from error
    reason = first_line(error)
    if (error.pgcode or "").startswith(_CODES_OF_ONE_FILE):
        return (
            f"{shown} was refused by PostgreSQL ({reason}): fix that, or leave it out"
        )
    raise Fault(
        f"PostgreSQL takes no videos ({reason}): fix that, then import again"
    ) from error
