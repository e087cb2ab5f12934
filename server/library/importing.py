"""Bring video files into the table: one transaction a file, in bounded memory."""

from __future__ import annotations

import hashlib
import io
import os
import unicodedata
from contextlib import closing, contextmanager, redirect_stderr, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import UniqueViolation
from tqdm import tqdm

from server.connect import connect, first_line
from server.errors import Fault
from server.library.probe import open_file, probe_file, show_path, unreadable
from server.library.upload import PIECE_BYTES, Row, Upload, build_copy
from server.queries import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

# A value and the rest of its row must stay below 1 GiB together.
MAX_BYTES = 1_073_740_000
MAX_NAME_LETTERS = 255
SUFFIXES = (".mp4", ".m4v", ".mov", ".webm")
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


def import_paths(
    url: str, paths: Sequence[Path], *, progress: bool | None = None
) -> Iterator[Imported]:
    """Yield what became of each file below paths; Fault if none can be imported.

    The progress bar shows on a terminal; True and False decide otherwise.
    """
    files = [(path, _measure(path)) for path in find_files(paths)]
    with (
        closing(connect(url)) as connection,
        tqdm(
            total=sum(size for _, size in files),
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        for path, size in files:
            end = bar.n + size
            # psycopg2 prints a traceback of its own if the server closes down.
            with redirect_stderr(io.StringIO()):
                done = import_file(connection, path, bar.update)
            bar.update(end - bar.n)
            bar.clear()  # the caller may print
            yield done


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of paths, and the videos in folders by order of their names.

    A folder without any, or that cannot be listed, stands for itself.
    """
    found: list[Path] = []
    for path in paths:
        inside = list(_walk(path, set())) if os.path.isdir(path) else [path]
        found += inside or [path]
    return found


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:  # by way of a symbolic link
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry):
            yield from _walk(entry, seen)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _measure(path: Path) -> int:
    """Return the bytes of a file, 0 if that cannot be said."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def import_file(
    connection: Connection, path: Path, progress: Callable[[int], object]
) -> Imported:
    """Bring one file into the table; Fault if the database has a problem.

    The connection is in no transaction and speaks UTF8; progress hears of bytes sent.
    """
    file = os.fsencode(path).decode(errors="backslashreplace")
    shown = show_path(path)
    try:
        check_file(path, shown)
        with open_file(path) as source:
            row = _examine(source, path.name, shown)
            return _keep(connection, row, source, shown, progress)._replace(file=file)
    except Fault as fault:
        reason = str(fault)
    except OSError as error:
        reason = str(unreadable(shown, error))
    except psycopg2.Error as error:
        reason = _explain(connection, error, shown)
    return Imported(file, "rejected", error=reason)


def check_file(path: Path, shown: str) -> None:
    """Raise a Fault for a folder, and for a name that the table cannot keep."""
    if os.path.isdir(path):
        raise Fault(
            f"{shown} is a folder in which no {', '.join(SUFFIXES)} file can be found: "
            "check the path, and that you may read it"
        )
    kinds = {unicodedata.category(letter) for letter in path.name}
    if len(path.name) > MAX_NAME_LETTERS:
        raise Fault(f"{shown} has a name longer than {MAX_NAME_LETTERS}: rename it")
    if "Cs" in kinds:  # Python's stand-in for a byte it cannot decode
        raise Fault(f"{shown} has a name that is not UTF-8: rename it")
    if "Cc" in kinds:
        raise Fault(f"{shown} has a control character in its name: rename it")


def _examine(source: io.BufferedReader, name: str, shown: str) -> Row:
    size = os.fstat(source.fileno()).st_size
    if size > MAX_BYTES:
        raise Fault(
            f"{shown} has {size} bytes, and PostgreSQL keeps at most {MAX_BYTES} as "
            "one value: make it shorter or compress it more"
        )
    clip = probe_file(source, shown)
    source.seek(0)
    digest = hashlib.file_digest(source, "sha256").digest()
    return Row(name, clip.mime_type, size, _round(clip.duration_seconds), digest)


def _round(seconds: float | None) -> int | None:
    """Return whole seconds, at least one: 0 would read as no video at all."""
    return None if seconds is None else max(round(seconds), 1)


def _keep(
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


def _explain(connection: Connection, error: psycopg2.Error, shown: str) -> str:
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
