"""The chunks of an answer in their order, asked for ahead as the client keeps up."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.model import Video
    from server.store import Chunk, First, Store

AHEAD = 6  # chunks read while one goes out, to a client that keeps up
REFILL = 2  # when so small a part of them is left, the next are read in one row
AHEAD_AFTER_BYTES = 512 * 1024  # a player leaves most answers before
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
        self._place = 0  # of the chunk to ask for next
        self._ahead: deque[Chunk] = deque()  # asked for before their turn
        # A short answer is read in one go: few leave it before its end.
        self._width = len(self._starts) - 1 if len(self._starts) <= GROUP else 0
        self._sent = 0  # bytes

    async def take(self) -> list[bytes | memoryview]:
        """Return the next chunk, and with it those behind it that memory holds.

        Raises VideoChanged, and what the reading raises.
        """
        at = self._starts[self._place - len(self._ahead)]
        chunk = self._ahead.popleft() if self._ahead else self._begin(at)
        data = chunk if isinstance(chunk, bytes) else await asyncio.shield(chunk)
        group = [trim(data, at, self._span), *self._gather()]
        if len(group) > 1 or isinstance(chunk, bytes):
            await self._store.check(self._video)
        if len(self._ahead) <= self._width // REFILL:
            self._ask(self._width - len(self._ahead))
        return group

    def note(self, sent: int, *, keeps_up: bool) -> None:
        """Choose how far to read ahead by whether the client took what was sent."""
        self._sent += sent
        if keeps_up and self._sent > AHEAD_AFTER_BYTES:
            self._width = min(self._width + 1, AHEAD)
        else:
            self._width = 0

    def forget(self) -> None:
        """Let go of what was asked for ahead, until it is its turn."""
        self._place -= len(self._ahead)
        self._ahead.clear()

    def _begin(self, at: int) -> Chunk:
        """Return a chunk: the one that came with the row, if it is that."""
        self._place += 1
        data = self._first and self._first.take(at, self._span)
        chunk = data or self._store.read(self._video, at, self._span)
        if not isinstance(chunk, bytes) or not self._store.aligned:
            self._ask(self._width)  # it travels with them
        return chunk

    def _ask(self, count: int) -> None:
        """Ask for so many chunks at once."""
        starts = self._starts[self._place : self._place + count]
        self._place += len(starts)
        for start in starts:
            self._ahead.append(self._store.read(self._video, start, self._span))

    def _gather(self) -> list[bytes | memoryview]:
        """Return the next chunks that memory holds, to send them with another."""
        group: list[bytes | memoryview] = []
        while not self._ahead and len(group) < GROUP - 1:
            if self._place == len(self._starts):
                break
            at = self._starts[self._place]
            held = self._store.held(self._video, at)
            if held is None:
                break
            group.append(trim(held, at, self._span))
            self._place += 1
        return group


def trim(data: bytes, start: int, span: range) -> bytes | memoryview:
    """Return the part of a chunk that lies in span, without a copy."""
    low, high = span.start - start, span.stop - start
    if low <= 0 and high >= len(data):
        return data
    return memoryview(data)[low if low > 0 else 0 : high]
