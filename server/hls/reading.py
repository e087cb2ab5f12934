"""Read a file's index (moov) out of its row, and little else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.hls.index import find_index
from server.reading.ahead import Chunks

if TYPE_CHECKING:
    from server.model import Video
    from server.reading.store import Store


async def read_index(store: Store, video: Video) -> bytes:
    """Return the body of moov, of at most 32 MiB.

    Unfit where there is none; VideoChanged, and what the reading raises.
    """
    finder = find_index(video.size)
    try:
        span = next(finder)
        while True:
            span = finder.send(await _read(store, video, span))
    except StopIteration as found:
        index: range = found.value
    return await _read(store, video, index)


async def _read(store: Store, video: Video, span: range) -> bytes:
    """Return the bytes of a span, read through the store as an answer's are."""
    if not span:
        return b""
    chunks = Chunks(store, video, span, None)
    parts: list[bytes | memoryview] = []
    left = len(span)
    while left > 0:
        group = await chunks.take()
        read = sum(map(len, group))
        chunks.note(read, keeps_up=True)
        parts += group
        left -= read
    return b"".join(parts)
