"""A file whose bytes the other side of the sandbox has, and how it asks for them."""

from __future__ import annotations

import io
import os
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

REQUEST = Struct(">QI")  # where to read, and how much; or DONE, and how long the answer
DONE = (1 << 64) - 1


class Source:
    """A file for PyAV whose bytes come from the other side."""

    def __init__(self, asked: BinaryIO, answers: BinaryIO, size: int) -> None:
        self.size = size
        self._asked, self._answers, self._at = asked, answers, 0

    def read(self, length: int) -> bytes:
        """Return the next bytes, none at the end."""
        length = max(min(length, self.size - self._at), 0)
        if not length:
            return b""
        self._asked.write(REQUEST.pack(self._at, length))
        self._asked.flush()
        got = int.from_bytes(_read_all(self._answers, 4), "big")
        self._at += got
        return _read_all(self._answers, got)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as a file does."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}
        self._at = max(base[whence] + offset, 0)
        return self._at

    def tell(self) -> int:
        """Return where the next bytes come from."""
        return self._at


def read_part(source: Source, start: int, length: int) -> bytes:
    """Return bytes from a place on, fewer at the end; source goes on behind them."""
    source.seek(start)
    parts = []
    while length and (part := source.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _read_all(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:  # the other side has gone
        os._exit(1)
    return data
