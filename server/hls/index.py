"""Where the index (moov) of a file is, found with few reads. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.mp4.boxes import Box, MalformedError, read_box
from server.library.mp4.movie import MAX_INDEX_BYTES
from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Generator

_HEAD_BYTES = 16
_MOST_BOXES = 100  # before the index; real files have five


def find_index(file_size: int) -> Generator[range, bytes, range]:
    """Yield which bytes are to be read, take them, and return where moov's body is.

    Each read is of 16 bytes at most, one for each box up to moov. The range that is
    returned (StopIteration.value) lies in the file and has at most 32 MiB. Unfit for a
    file that is no MP4, is cut short, or is fragmented.
    """
    at = 0
    for _ in range(_MOST_BOXES):
        if file_size - at < 8:
            break
        span = range(at, min(at + _HEAD_BYTES, file_size))
        box = _read_head((yield span), at, file_size)
        if box is None:
            break
        if box.kind == "moof":
            raise Unfit("hls-fragmented", "is fragmented already", "fix")
        if box.end > file_size:
            reason = f"ends before its box {box.kind!r} does"
            raise Unfit("hls-cut-short", reason)
        if box.kind == "moov":
            return _check_index(range(box.body, box.end))
        at = box.end
    raise Unfit("hls-malformed", "has no index (moov) where an MP4 has it", "fix")


def _read_head(head: bytes, at: int, file_size: int) -> Box | None:
    """Return the box at a place; None where there is none."""

    def read(offset: int, length: int) -> bytes:
        return head[offset - at :][:length]

    try:
        return read_box(read, at, file_size)
    except MalformedError as error:
        raise Unfit("hls-malformed", str(error)) from error


def _check_index(index: range) -> range:
    if len(index) > MAX_INDEX_BYTES:
        reason = f"has an index of {len(index)} bytes, with which players never start"
        raise Unfit("hls-malformed", reason, "transcode")
    return index
