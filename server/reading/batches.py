"""Send the reads that wait together, several in one statement.

Under load, reads share the cost of a query; a single read never waits for others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.model import Video
from server.postgres.pool import DatabaseAway, StatementTimeout
from server.postgres.queries import queries
from server.postgres.sqlstate import may_be_of_a_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.postgres.pool import Database

BATCH_BYTES = 1 << 20
LONG_SECONDS = 0.05  # a statement that takes longer leaves its lane to the next
SLOW_SECONDS = 0.25  # the videos of a slower statement are then read alone
APART_MAX = 1000  # videos remembered as slow or failing


class VideoSlice(NamedTuple):
    """A video as it is now, and the bytes asked for."""

    video: Video
    data: bytes


class _Read(NamedTuple):
    video_id: int
    start: int
    length: int
    answer: asyncio.Future[VideoSlice | None]


class _Span(NamedTuple):
    """Reads of a batch whose bytes lie behind each other: one row for all of them."""

    video_id: int
    start: int
    length: int
    place: int  # of the first read in the batch
    reads: int = 1


def join_adjacent(batch: Sequence[_Read]) -> list[_Span]:
    """Return the rows that answer a batch; a row costs as much as many bytes."""
    spans: list[_Span] = []
    for place, (video_id, start, length, _) in enumerate(batch):
        if spans:
            last = spans[-1]
            stop = last.start + last.length
            if last.start >= 0 and (last.video_id, stop) == (video_id, start):
                more = {"length": last.length + length, "reads": last.reads + 1}
                spans[-1] = last._replace(**more)
                continue
        spans.append(_Span(video_id, start, length, place))
    return spans


class Reader:
    """Runs up to `lanes` statements at a time, not counting those that take long."""

    def __init__(self, database: Database, lanes: int) -> None:
        self._database = database
        self._idle_lanes = lanes
        self._waiting: deque[_Read] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._apart: dict[int, None] = {}  # videos that travel alone
        self.bytes_read = 0

    def read(
        self, video_id: int, start: int, length: int
    ) -> asyncio.Future[VideoSlice | None]:
        """Return a future of length bytes from start; a negative one is from the end.

        There are fewer where the video ends, and None if there is no such video. The
        future may raise what the statement did, such as DatabaseAway.
        """
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Read(video_id, start, length, answer))
        self._open_lane()
        return answer

    def _open_lane(self) -> None:
        """Have a task answer what waits, if a lane is idle."""
        if self._idle_lanes and self._waiting:
            # In a context of its own: it works for others than who asked first.
            task = asyncio.create_task(self._run_lane(), context=Context())
            self._idle_lanes -= 1
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_lane(self) -> None:
        loop = asyncio.get_running_loop()
        left = False

        def leave() -> None:
            nonlocal left
            left = True
            self._idle_lanes += 1
            self._open_lane()

        try:
            while not left and self._waiting:
                batch: list[_Read] = []
                timer = loop.call_later(LONG_SECONDS, leave)
                try:
                    self._take_batch(batch)
                    await self._answer(batch)
                except Exception as error:  # nobody may be left waiting
                    _fail(batch, error)
                finally:
                    timer.cancel()
        finally:
            if not left:
                self._idle_lanes += 1

    def _take_batch(self, batch: list[_Read]) -> None:
        """Move into batch what fits into one statement and is still wanted."""
        room = BATCH_BYTES
        while self._waiting:
            read = self._waiting[0]
            if batch and (read.length > room or read.video_id in self._apart):
                break
            if read.answer.done():  # nobody waits for it any more
                self._waiting.popleft()
                continue
            batch.append(read)
            self._waiting.popleft()
            room -= read.length
            if read.video_id in self._apart:
                break

    async def _answer(self, batch: Sequence[_Read]) -> None:
        """Set the result or the error of each read; raise nothing but cancellation."""
        if not batch:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            rows = await self._fetch(batch)
        except asyncio.CancelledError:
            for read in batch:
                read.answer.cancel()
            raise
        except Exception as error:
            if len(batch) > 1 and _may_be_of_one(error):
                await self._answer_each(batch)
                return
            # After a timeout another try would keep all waiting as long again.
            is_slow = isinstance(error, StatementTimeout)
            self._set_apart(batch, is_slow or _may_be_of_one(error))
            _fail(batch, error)
        else:
            self._set_apart(batch, loop.time() - began > SLOW_SECONDS)
            for read, found in zip(batch, rows, strict=True):
                if not read.answer.done():
                    read.answer.set_result(found)

    async def _answer_each(self, batch: Sequence[_Read]) -> None:
        """Answer each by itself: one is at fault, and the others go on.

        Once the database takes too long, or is away, all that is left fails with that.
        """
        for place, read in enumerate(batch):
            await self._answer([read])
            failed = read.answer.done() and not read.answer.cancelled()
            error = read.answer.exception() if failed else None
            if error is not None and not _may_be_of_one(error):
                _fail(batch[place + 1 :], error)
                return

    async def _fetch(self, batch: Sequence[_Read]) -> list[VideoSlice | None]:
        spans = join_adjacent(batch)
        values = {
            "ids": [span.video_id for span in spans],
            "starts": [span.start for span in spans],
            "lengths": [span.length for span in spans],
        }
        rows = await self._database.fetch_binary(queries()["read_videos"], values)
        found: list[VideoSlice | None] = [None] * len(batch)
        for (place, name, kind, size, modified), data in rows:
            if data is None:
                continue
            span, about = spans[place - 1], (name or "", kind or "")
            video = Video(span.video_id, *about, size, modified)
            self.bytes_read += len(data)
            for index in range(span.place, span.place + span.reads):
                at = batch[index].start - span.start
                part = data[at : at + batch[index].length]  # no copy if it is all
                found[index] = VideoSlice(video, part)
        return found

    def _set_apart(self, batch: Sequence[_Read], in_trouble: bool) -> None:
        """Let videos that were slow or failed travel alone until one proves well."""
        for read in batch:
            if in_trouble:
                self._apart[read.video_id] = None
            elif self._apart and len(batch) == 1:
                self._apart.pop(read.video_id, None)
        while len(self._apart) > APART_MAX:
            del self._apart[next(iter(self._apart))]


def _fail(batch: Sequence[_Read], error: BaseException) -> None:
    for read in batch:
        if not read.answer.done():
            read.answer.set_exception(error)


def _may_be_of_one(error: BaseException) -> bool:
    """Report whether a single video of a batch may be at fault."""
    said = error.__cause__ if isinstance(error, DatabaseAway) else error
    return isinstance(said, psycopg2.Error) and may_be_of_a_row(said)
