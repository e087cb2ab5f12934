"""The chunks of an answer in order, read ahead as far as the client keeps up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from server.reading.store import CHUNK_BYTES
from server.reading.waiting import wait_for

if TYPE_CHECKING:
    from server.model import Video
    from server.reading.store import Chunk, First, Store

AHEAD = 6  # chunks, at most, for a client that keeps up
AHEAD_AFTER_BYTES = 512 * 1024  # most answers to players are abandoned before
GROUP = 5  # chunks from memory that go out together: 256 KiB lie in so many


class Chunks:
    """What is to be sent next of a span that is not empty."""

    def __init__(
        self, store: Store, video: Video, span: range, first: First | None
    ) -> None:
        self._store = store
        self._video = video
        self._span = span
        self._first = first
        self._starts = store.starts(span)
        self._taken = 0  # chunks
        self._asked = 0
        self._ahead: deque[Chunk] = deque()  # asked for and not taken
        # A short answer is read in one go: few leave it before its end.
        self._width = len(self._starts) - 1 if len(self._starts) <= GROUP else 0
        self._sent = 0  # bytes

    async def take(self) -> list[bytes | memoryview]:
        """Return the next chunk, and those after it as far as they are in memory.

        Raises VideoChanged, and what the reading raises.
        """
        at = self._starts[self._taken]
        if not self._ahead:
            self._begin(at)
        chunk = self._ahead.popleft()
        data = chunk if isinstance(chunk, bytes) else await wait_for(chunk)
        if len(data) > CHUNK_BYTES:
            data, *rest = cut(data)
            self._ahead.extend(rest)
        self._taken += 1
        group = [trim(data, at, self._span), *self._gather()]
        if len(group) > 1 or isinstance(chunk, bytes):
            await self._store.check(self._video)
        if not self._ahead:
            self._ask(self._width)
        return group

    def note(self, sent: int, *, keeps_up: bool) -> None:
        """Choose how far to read ahead by whether the client took what was sent."""
        self._sent += sent
        if keeps_up and self._sent > AHEAD_AFTER_BYTES:
            self._width = min(self._width + 1, AHEAD)
        else:
            self._width = 0

    def forget(self) -> None:
        """Release what was read ahead; it is read again when it is due."""
        self._asked = self._taken
        self._ahead.clear()

    def _begin(self, at: int) -> None:
        """Ask for a chunk and those that travel with it, if it is not here already."""
        data = self._first and self._first.take(at, self._span)
        data = data or self._store.held(self._video, at)
        if data:
            self._ahead.append(data)
            self._asked += 1
        else:
            self._ask(1 + self._width)

    def _ask(self, count: int) -> None:
        """Ask for so many chunks; without a cache they come as one piece."""
        starts = self._starts[self._asked : self._asked + count]
        self._asked += len(starts)
        if not self._store.aligned:
            starts = starts[:1]
        stop = min(self._starts.start + self._asked * CHUNK_BYTES, self._span.stop)
        for start in starts:
            held = self._store.held(self._video, start)
            self._ahead.append(held or self._store.read(self._video, start, stop))

    def _gather(self) -> list[bytes | memoryview]:
        """Return the next chunks that memory holds, to send them with another."""
        group: list[bytes | memoryview] = []
        while not self._ahead and len(group) < GROUP - 1:
            if self._taken == len(self._starts):
                break
            at = self._starts[self._taken]
            held = self._store.held(self._video, at)
            if held is None:
                break
            group.append(trim(held, at, self._span))
            self._taken += 1
            self._asked += 1
        return group


def cut(data: bytes) -> list[bytes]:
    """Return data in chunks; a client that stalls on one holds up no more than that."""
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


def trim(data: bytes, start: int, span: range) -> bytes | memoryview:
    """Return the part of a chunk that lies in span, without a copy."""
    low, high = span.start - start, span.stop - start
    if low <= 0 and high >= len(data):
        return data
    return memoryview(data)[low if low > 0 else 0 : high]
