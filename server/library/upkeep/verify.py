"""Read every byte of the videos and compare them with the digests of their import.

Bytes come in slices by COPY and are hashed here: faster than sha256() in PostgreSQL,
which needs memory for the whole value, while this needs it for a slice.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import redirect_stderr
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from tqdm import tqdm

from server.errors import Fault
from server.library.files import show_text
from server.library.words.link import find_video
from server.postgres.plain import first_line
from server.postgres.queries import queries
from server.postgres.refusals import is_damage, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from psycopg2.extensions import connection as Connection

SLICE_BYTES = 1 << 18
_HEADER_BYTES = 19  # signature, flags and length of an extension that is not there
_FIELD = Struct(">hi")  # how many fields a row has, and the bytes of its only one


class Verified(NamedTuple):
    """What was found about a video, or about rows that cannot be read any more."""

    status: str  # intact, damaged, unknown (without a digest) or unread
    video_id: int | None
    filename: str | None
    bytes: int
    error: str | None = None


class Digested(NamedTuple):
    """A row to verify."""

    video_id: int
    filename: str
    size: int  # bytes
    sha256: bytes | None


class Hasher:
    """What COPY writes to: hashes the one field of each row, and passes it on.

    PostgreSQL's manual: COPY, File Formats, Binary Format.
    """

    def __init__(
        self,
        progress: Callable[[int], object],
        keep: Callable[[memoryview], object] = lambda _: None,
    ) -> None:
        self.sha256 = hashlib.sha256()
        self._progress, self._keep = progress, keep
        self._rest = b""
        self._skip = _HEADER_BYTES

    def write(self, data: bytes) -> None:
        """Take bytes, cut anywhere."""
        rest = self._rest + data
        skipped = min(self._skip, len(rest))
        self._skip -= skipped
        start = skipped
        while start + _FIELD.size <= len(rest):
            _, length = _FIELD.unpack_from(rest, start)
            end = start + _FIELD.size + length
            if end > len(rest):
                break
            field = memoryview(rest)[start + _FIELD.size : end]
            self.sha256.update(field)
            self._keep(field)
            self._progress(length)
            start = end
        self._rest = rest[start:]


def verify(
    url: str,
    videos: Sequence[str] = (),
    *,
    resume: bool = False,
    progress: bool | None = None,
) -> Iterator[Verified]:
    """Yield what is found about these videos, or about all, the lowest id first.

    Before them come the rows that cannot be read. What is found is kept, and resume
    leaves out the videos that were intact. Fault if there is nothing to resume from, a
    video is not there, or the database goes away. The progress bar shows on a terminal;
    True and False decide otherwise.
    """
    with opening(url) as connection:
        ids = _find_ids(connection, videos)
        known = _prepare(connection, resume=resume, anew=ids is None)
        rows, lost = _list_rows(connection, ids)
        left = [row for row in rows if (known or {}).get(row.video_id, "") is not None]
        yield from lost
        with tqdm(
            total=sum(row.size for row in left),
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar:
            for row in left:
                end = bar.n + row.size
                found = _verify_row(connection, row, bar.update, keep=known is not None)
                bar.update(end - bar.n)
                if found.status != "gone":
                    bar.clear()  # the caller may print
                    yield found


def _find_ids(connection: Connection, videos: Sequence[str]) -> list[int] | None:
    with connection, connection.cursor() as cursor:
        return [find_video(cursor, video)[0] for video in videos] or None


def _prepare(
    connection: Connection, *, resume: bool, anew: bool
) -> dict[int, str | None] | None:
    """Return the damage of each video known, or None if nothing can be kept."""
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["find_verifications"])
        if cursor.fetchone() != (True,):
            if resume:
                raise Fault(
                    "cannot resume, because this database does not let us record what "
                    "was verified: leave out --resume, or run bytereel migrate on the "
                    "primary and verify there"
                )
            return None
        if not resume:
            if anew:
                cursor.execute(queries()["clear_verifications"])
            return {}
        rows = read_rows(cursor, "list_verifications")
        return {row["video_id"]: row["damage"] for row in rows}


def _list_rows(
    connection: Connection, ids: list[int] | None
) -> tuple[list[Digested], list[Verified]]:
    """Return the rows to verify, and a line for each block that has lost its rows."""
    try:
        with connection, connection.cursor() as cursor:
            found = read_rows(cursor, "list_digests", {"ids": ids})
            return [Digested(**row) for row in found], []
    except psycopg2.Error as error:
        if not is_damage(error):
            raise
    rows: list[Digested] = []
    lost = []
    for block in range(_count_blocks(connection)):
        try:
            with connection, connection.cursor() as cursor:
                values = {"ids": ids, "block": block}
                found = read_rows(cursor, "list_digests_in_block", values)
                rows += [Digested(**row) for row in found]
        except psycopg2.Error as error:
            if not is_damage(error):
                raise
            why = f"block {block} of the table, with all its rows: {first_line(error)}"
            lost.append(Verified("damaged", None, None, 0, why))
    return sorted(rows), lost


def _count_blocks(connection: Connection) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["count_blocks"])
        [(count,)] = cursor.fetchall() or [(0,)]
        return int(count)


def _verify_row(
    connection: Connection,
    row: Digested,
    progress: Callable[[int], object],
    *,
    keep: bool,
) -> Verified:
    status, error = _compare(connection, row, progress)
    if keep and status in ("intact", "damaged"):
        with connection, connection.cursor() as cursor:
            cursor.execute(queries()["prepare_reading"])
            values = {"video_id": row.video_id, "damage": error}
            cursor.execute(queries()["save_verification"], values)
    return Verified(status, row.video_id, row.filename, row.size, error)


def _compare(
    connection: Connection, row: Digested, progress: Callable[[int], object]
) -> tuple[str, str | None]:
    hasher = Hasher(progress)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(queries()["prepare_reading"])
            values = {"id": row.video_id, "step": SLICE_BYTES}
            copy = cursor.mogrify(queries()["copy_slices"], values).decode()
            # psycopg2 prints a traceback of its own if the server closes down.
            with redirect_stderr(io.StringIO()):
                cursor.copy_expert(copy, hasher)
    except psycopg2.Error as error:
        if connection.closed:
            raise Fault(
                f"the connection to PostgreSQL was lost at video {row.video_id}: "
                "go on with bytereel verify --resume when the database is back"
            ) from error
        return "damaged" if is_damage(error) else "unread", first_line(error)
    if row.sha256 is None or len(row.sha256) != hasher.sha256.digest_size:
        return "unknown", "there is no digest to compare with"
    if hasher.sha256.digest() == bytes(row.sha256):
        return "intact", None
    if not _list_rows(connection, [row.video_id])[0]:
        return "gone", None
    return "damaged", "the bytes are not those of the import"


def render_verified(row: Verified) -> str:
    """Return a line about a video."""
    name = "" if row.filename is None else f"{row.video_id} {show_text(row.filename)}: "
    return f"{row.status}  {name}{row.error or ''}".rstrip(": ")


def render_counts(counts: Mapping[str, int]) -> str:
    """Return how many videos are in which state."""
    states = ("intact", "damaged", "unread", "unknown")
    told = [f"{counts[state]:,} {state}" for state in states if counts[state]]
    return ", ".join(told) or "nothing was left to verify"
