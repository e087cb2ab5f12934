"""Gather a short answer: what memory holds, and reads for the rest. Nothing waits.

Both ways to an answer meet here, the handler's and the short way of a connection. What
is too long for one write is refused, and goes out chunk by chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.reading.ahead import GROUP, trim
from server.reading.store import CHUNK_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from server.model import Video
    from server.reading.store import First, Store
    from server.video.plan import Plan


class Pending(NamedTuple):
    """Bytes on their way: their place among the buffers, and what to cut of them."""

    place: int
    start: int  # of the chunk, in the video
    span: range
    chunk: asyncio.Future[bytes]


class Gathered(NamedTuple):
    """Head and body of an answer; for what is pending there are empty bytes."""

    buffers: list[bytes | memoryview]
    pending: list[Pending]

    def when_come(self, then: Callable[[Gathered], None]) -> None:
        """Call then once nothing is pending any more."""
        left = len(self.pending)

        def arrive(_: asyncio.Future[bytes]) -> None:
            nonlocal left
            left -= 1
            if not left:
                then(self)

        for each in self.pending:
            each.chunk.add_done_callback(arrive)

    def complete(self) -> list[bytes | memoryview]:
        """Return all buffers, with what was pending; raise what the reading raised."""
        for place, start, span, chunk in self.pending:
            self.buffers[place] = trim(chunk.result(), start, span)
        return self.buffers


def gather(
    store: Store,
    video: Video | None,
    plan: Plan,
    head: bytes,
    first: First | None = None,
) -> Gathered | None:
    """Return head and body, having begun to read what is not there; None if it is long.

    first are bytes that came along with the row.
    """
    if plan.body_bytes > GROUP * CHUNK_BYTES:
        return None
    buffers: list[bytes | memoryview] = [head]
    lacking: list[tuple[int, int, range]] = []
    room, last = GROUP, -1
    for piece in plan.pieces():
        if isinstance(piece, bytes):
            buffers.append(piece)
            continue
        if video is None or not piece:
            continue
        starts = store.starts(piece)
        room -= len(starts) - (starts.start == last)  # which is shared with the last
        last = starts[-1]
        if room < 0:
            return None
        data = first.take(starts.start, piece) if first else None
        if data:
            buffers.append(trim(data, starts.start, piece))
            starts = starts[1:]
        for start in starts if store.aligned else starts[:1]:
            held = store.held(video, start)
            if held is None:
                lacking.append((len(buffers), start, piece))
                buffers.append(b"")
            else:
                buffers.append(trim(held, start, piece))
    if video is None or not lacking:
        return Gathered(buffers, [])
    pending = [
        Pending(place, start, span, store.read(video, start, span.stop))
        for place, start, span in lacking
    ]
    return Gathered(buffers, pending)
