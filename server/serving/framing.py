"""Where the body of a request ends (RFC 9112, 6 and 7.1). No I/O.

What frames it is bounded: lengths of chunks, their extensions, and trailers.
"""

from __future__ import annotations

import re

from server.api.errors import Refused

BODY_BYTES = 64 * 1024  # of the body of any request but an upload
LINE_BYTES = 1024  # of the line before a chunk, or of a trailer
OVERHEAD_BYTES = 2 * 1024  # of such lines, beyond the bytes they frame

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SIZE = re.compile(
    rb"([0-9A-Fa-f]{1,12})(?:;%b(?:=(?:%b|\"[^\"\\\r\n]*\"))?)*\r\n" % (_TOKEN, _TOKEN)
)
_TRAILER = re.compile(_TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r\n")

NO_CHUNKS = "The body is not in chunks as RFC 9112, 7.1 has them."
TOO_LONG = f"The body may have at most {BODY_BYTES} bytes."


class Sized:
    """A body of so many bytes."""

    __slots__ = ("left", "received", "since")

    def __init__(self, length: int, since: float = 0.0) -> None:
        """Take when it began, by monotonic."""
        self.left = length
        self.received = 0
        self.since = since

    @property
    def ended(self) -> bool:
        """Report whether all of it has come."""
        return not self.left

    def take(self, data: bytes) -> int:
        """Return how many bytes of data belong to the body."""
        count = min(len(data), self.left)
        self.left -= count
        self.received += count
        return count


class Chunked:
    """A body in chunks, of at most most bytes or of any length."""

    __slots__ = (
        *("_data_left", "_line", "_most", "_overhead", "_part", "ended"),
        *("received", "since"),
    )

    def __init__(self, most: int | None, since: float = 0.0) -> None:
        """Take how long it may be, and when it began, by monotonic."""
        self.since = since
        self.received = 0  # bytes of chunks
        self.ended = False
        self._most = most
        self._part = "size"  # what comes next: "size", "end" of a chunk, "trailer"
        self._data_left = 0  # of a chunk
        self._line = b""  # as far as it has come
        self._overhead = 0

    @property
    def left(self) -> int | None:
        """Return how many bytes may come; None for any number."""
        return None if self._most is None else self._most - self.received

    def take(self, data: bytes) -> int:
        """Return how many bytes of data belong to the body; raise Refused."""
        at = 0
        while at < len(data) and not self.ended:
            if self._data_left:
                count = min(self._data_left, len(data) - at)
                self._data_left -= count
                self.received += count
                at += count
            else:
                at = self._take_line(data, at)
        return at

    def _take_line(self, data: bytes, at: int) -> int:
        """Read on in a line; return where it ends, or the data."""
        end = data.find(b"\n", at, at + LINE_BYTES) + 1 or len(data)
        self._overhead += end - at
        line = self._line + data[at:end]
        if len(line) > LINE_BYTES or self._overhead > OVERHEAD_BYTES + self.received:
            raise Refused(400, NO_CHUNKS)
        if line.endswith(b"\n"):
            self._line = b""
            self._read(line)
        else:
            self._line = line
        return end

    def _read(self, line: bytes) -> None:
        if self._part == "size":
            found = _SIZE.fullmatch(line)
            if found is None:
                raise Refused(400, NO_CHUNKS)
            self._data_left = int(found[1], 16)
            self._part = "end" if self._data_left else "trailer"
            if self._most is not None and self.received + self._data_left > self._most:
                raise Refused(413, TOO_LONG)
        elif line == b"\r\n":
            self.ended = self._part == "trailer"
            self._part = "size"
        elif self._part == "end" or not _TRAILER.fullmatch(line):
            raise Refused(400, NO_CHUNKS)
