"""Videos as serving knows them: recent rows, and chunks as far as memory allows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from server.model import Video
from server.postgres.queries import queries
from server.reading.batches import Reader, VideoSlice
from server.reading.cache import ChunkCache
from server.reading.waiting import wait_for

if TYPE_CHECKING:
    from server.postgres.pool import Database

    Answer = asyncio.Future[VideoSlice | None]
    Chunk = bytes | asyncio.Future[bytes]

CHUNK_BYTES = 64 * 1024
FRESH_SECONDS = 2.0  # a deleted video may be served this long, plus a round trip
KNOWN_MAX = 10_000  # videos whose rows are remembered
STALLED_MANY = 200  # clients, each with a part of its answer in our memory


class VideoChanged(Exception):
    """The row is gone, or no longer the one that was announced."""


class First:
    """Bytes that came along with the row, to be taken once."""

    __slots__ = ("_data", "_start")

    def __init__(self, start: int, data: bytes) -> None:
        self._start = start
        self._data = data

    def take(self, start: int, span: range) -> bytes | None:
        """Return the chunk of span that begins at start, if this is it."""
        data, self._data = self._data, b""
        needed = min(start + CHUNK_BYTES, span.stop) - start
        return data if self._start == start and len(data) >= needed else None


class Store:
    """Reads videos through a cache; clients share what is already on its way."""

    def __init__(self, database: Database, *, cache_bytes: int, lanes: int) -> None:
        self.database = database
        self.reader = Reader(database, lanes)
        self.cache = ChunkCache(cache_bytes)
        # Shared chunks begin at multiples of CHUNK_BYTES. Without a cache none is
        # shared, and no byte more is read than asked for.
        self.aligned = cache_bytes > 0
        self.waits = 0  # reads that others had asked for already
        self.stalled = 0  # clients that have not taken what was written for them
        self._known: dict[int, tuple[Video, float]] = {}
        self._coming: dict[tuple[Video, int], asyncio.Future[bytes]] = {}

    @property
    def crowded(self) -> bool:
        """Report whether memory comes before speed: many clients have stalled."""
        return self.stalled > STALLED_MANY

    def recall(self, video_id: int, now: float) -> Video | None:
        """Return the video if its row was seen a moment ago; now is by monotonic."""
        known = self._known.get(video_id)
        if known is None or known[1] < now:
            return None
        return known[0]

    async def find(
        self, video_id: int, start: int, length: int
    ) -> tuple[Video | None, First | None]:
        """Return a video and the first bytes of its answer, in one round trip.

        A negative start counts from the end; with length 0 no bytes are read.
        """
        if self.aligned and length:
            start, length = start - start % CHUNK_BYTES, CHUNK_BYTES
        length = min(length, CHUNK_BYTES) if start >= 0 or not self.aligned else 0
        read = self.reader.read(video_id, start, length)
        try:
            found = await wait_for(read)
        except BaseException:
            read.add_done_callback(partial(self._keep_late, start))
            raise
        if found is None:
            self._known.pop(video_id, None)
            return None, None
        video = self._remember(found.video)
        if start < 0:
            start = max(video.size + start, 0)
        if self.aligned and found.data:
            self.cache.put((video, start), found.data)
        return video, First(start, found.data)

    def _keep_late(self, start: int, read: Answer) -> None:
        """Take into memory what came too late: somebody will ask again."""
        if read.cancelled() or read.exception() is not None:
            return
        found = read.result()
        if found is None:
            return
        video = self._remember(found.video)
        if self.aligned and start >= 0:
            self.cache.put((video, start), found.data)

    async def check(self, video: Video) -> None:
        """Raise VideoChanged if the row is not as it was announced."""
        if self.recall(video.id, monotonic()) is None:
            found, _ = await self.find(video.id, 0, 0)
            _compare(found, video)

    def starts(self, span: range) -> range:
        """Return where the chunks begin that hold the span."""
        first = span.start - span.start % CHUNK_BYTES if self.aligned else span.start
        return range(first, span.stop, CHUNK_BYTES)

    def held(self, video: Video, start: int) -> bytes | None:
        """Return the chunk if it is in memory."""
        return self.cache.get((video, start)) if self.aligned else None

    def read(self, video: Video, start: int, stop: int) -> asyncio.Future[bytes]:
        """Return a future of the chunk at start; without a cache, of all up to stop.

        One read serves all who wait for the same chunk.
        """
        if not self.aligned:
            return self._ask(video, start, stop)
        coming = self._coming.get((video, start))
        if coming is not None:
            self.waits += 1
            return coming
        chunk = self._ask(video, start, min(start + CHUNK_BYTES, video.size))
        self._coming[video, start] = chunk
        return chunk

    def _ask(self, video: Video, start: int, stop: int) -> asyncio.Future[bytes]:
        chunk = asyncio.get_running_loop().create_future()
        answer = self.reader.read(video.id, start, stop - start)
        answer.add_done_callback(partial(self._arrive, video, start, stop, chunk))
        return chunk

    def _arrive(
        self,
        video: Video,
        start: int,
        stop: int,
        chunk: asyncio.Future[bytes],
        answer: Answer,
    ) -> None:
        self._coming.pop((video, start), None)
        if chunk.done():  # cancelled while the server stops
            return
        try:
            found = answer.result()
            _compare(found and found.video, video)
            assert found is not None  # or they were not equal
            if len(found.data) != stop - start:
                raise VideoChanged(video.id)
        except (Exception, asyncio.CancelledError) as error:
            self._known.pop(video.id, None)
            chunk.set_exception(error)
            chunk.exception()  # whoever read ahead may have left
            return
        with suppress(MemoryError):  # what is here is sent all the same
            self._remember(found.video)
            if self.aligned:
                self.cache.put((video, start), found.data)
        chunk.set_result(found.data)

    def _remember(self, video: Video) -> Video:
        """Keep the row for a moment; return the object that is known already."""
        known = self._known.pop(video.id, None)
        if known is not None and known[0] == video:
            video = known[0]
        until = monotonic() + FRESH_SECONDS
        self._known[video.id] = video, until
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return video


def _compare(found: Video | None, video: Video) -> None:
    if found is None or (found.size, found.modified) != (video.size, video.modified):
        raise VideoChanged(video.id)


STORE: web.AppKey[Store] = web.AppKey("store")


async def list_videos(database: Database, limit: int) -> list[tuple[Video, int | None]]:
    """Return the newest videos without their bytes, each with its seconds if known."""
    rows = await database.fetch_binary(queries()["list_videos"], {"limit": limit})
    return [(Video(*row), seconds) for *row, seconds in rows]


async def check_columns(database: Database) -> None:
    """Raise what PostgreSQL says when serving can't read its columns."""
    await database.fetch(queries()["check_videos"], {})
