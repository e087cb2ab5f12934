"""A row on its way into the table, as PostgreSQL's COPY reads it in binary."""

from __future__ import annotations

import io
from struct import pack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE_BYTES = 1 << 18


class VideoRow(NamedTuple):
    """All of a row to be but its bytes."""

    filename: str
    mime_type: str
    size: int  # bytes
    duration_seconds: int | None
    sha256: bytes
    source_sha256: bytes | None = None  # of the file that it was repaired from

    @property
    def digests(self) -> tuple[bytes, ...]:
        """Return its own, and that of its source."""
        return tuple(filter(None, (self.sha256, self.source_sha256)))


class CopyStream(io.RawIOBase):
    """What COPY reads; it keeps the error of which psycopg2 leaves only the text."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next piece, of at most PIECE_BYTES; nothing at the end."""
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.failure = error
            raise


def build_copy(
    row: VideoRow, source: io.BufferedReader, progress: Callable[[int], object]
) -> Iterator[bytes]:
    """Yield row and the bytes of source in COPY's binary format.

    PostgreSQL's manual: COPY, File Formats, Binary Format.
    """
    seconds = row.duration_seconds
    fields = 6 if row.source_sha256 is None else 7
    yield b"PGCOPY\n\xff\r\n\0" + pack(">iih", 0, 0, fields)  # flags, extension
    yield _field(row.filename.encode()) + _field(row.mime_type.encode())
    yield _field(pack(">i", row.size))
    yield _field(None if seconds is None else pack(">i", seconds))
    yield _field(row.sha256)
    if row.source_sha256 is not None:
        yield _field(row.source_sha256)
    yield pack(">i", row.size)
    left = row.size
    while left:
        # A file that has become shorter is filled up; its digest is then another.
        piece = source.read(min(left, PIECE_BYTES)) or bytes(min(left, PIECE_BYTES))
        yield piece
        left -= len(piece)
        progress(len(piece))
    yield pack(">h", -1)


def _field(value: bytes | None) -> bytes:
    """Return a field with its length before it; -1 is the length of NULL."""
    return pack(">i", -1) if value is None else pack(">i", len(value)) + value
