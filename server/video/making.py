"""Make previews that nobody has made yet: one at a time, beside the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2
from aiohttp import web

from server.library.clips.previews import (
    MadePreview,
    NoPreview,
    PreviewKey,
    keep_if_possible,
    make_preview,
)
from server.library.clips.stored import open_video
from server.library.ffmpeg.memory import measure_budget, share_budget
from server.library.ffmpeg.sandbox import Sandbox, SandboxFault
from server.postgres.budget import find_budget
from server.postgres.lines import Lines
from server.postgres.locks import limited_lock_waits
from server.postgres.plain import Unreachable, connect
from server.postgres.pool import DatabaseAway
from server.postgres.refusals import is_damage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANSWER_SECONDS = 20.0  # that a request waits, then it is told to come again
JOB_SECONDS = 60.0  # then the sandbox and the database are given up
IDLE_SECONDS = 10.0  # until the sandbox, which takes memory, is closed
LOCK_SECONDS = 2.0  # that keeping a preview waits for each lock
WAITING_MAX = 64  # previews that may wait to be made
NICENESS = 10
REMEMBERED_MAX = 1000  # answers that are in no table, and
REMEMBERED_BYTES = 4_000_000
REMEMBERED_SECONDS = 600.0

_log = logging.getLogger(__name__)


class MakerBusy(Exception):
    """It has to be asked again later; the message is a sentence."""


class PreviewMaker:
    """Makes each preview once, however many ask for it, and keeps it if it can."""

    def __init__(self, database_url: str, workers: int = 1) -> None:
        """Share memory with the other workers of this server."""
        self._url = database_url
        self._memory_bytes = share_budget(measure_budget(), workers)
        self._sandbox: Sandbox | None = None
        self._lines: Lines | None = None
        self._thread = ThreadPoolExecutor(1, "previews")
        self._turn = asyncio.Lock()
        self._making: dict[PreviewKey, asyncio.Task[MadePreview]] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False
        self.remembered = Remembered()

    async def make(self, key: PreviewKey, size: int) -> MadePreview:
        """Return a preview of a video of so many bytes.

        NoPreview if there can be none, MakerBusy if it takes too long, DatabaseAway or
        psycopg2.Error if the video can't be read now.
        """
        known = self.remembered.find(key)
        if isinstance(known, NoPreview):
            raise known
        if known is not None:
            return known
        task = self._making.get(key)
        if task is None:
            if len(self._making) >= WAITING_MAX or self._closed:
                raise MakerBusy("Many previews are being made: try again soon.")
            task = asyncio.create_task(self._make_in_turn(key, size))
            self._making[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        budget = find_budget()
        seconds = min(ANSWER_SECONDS, budget.left) if budget else ANSWER_SECONDS
        try:
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            raise MakerBusy("The preview is being made: try again soon.") from None
        except asyncio.CancelledError:
            if not self._closed:
                raise
            raise MakerBusy("The server is stopping: try again soon.") from None

    def _forget(self, key: PreviewKey, done: asyncio.Task[MadePreview]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # perhaps nobody waits for it any more

    async def _make_in_turn(self, key: PreviewKey, size: int) -> MadePreview:
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._idle:
                self._idle.cancel()
            timer = loop.call_later(JOB_SECONDS, self._break_job)
            try:
                made, is_kept = await loop.run_in_executor(
                    self._thread, self._make, key, size
                )
            except NoPreview as none:
                self.remembered.add(key, none)
                raise
            except SandboxFault as fault:
                _log.warning("no preview of video %s: %s", key.video_id, fault)
                raise MakerBusy(
                    "The server can make no previews now: see its log."
                ) from fault
            finally:
                timer.cancel()
                if not self._closed:
                    self._idle = loop.call_later(IDLE_SECONDS, self._rest)
        if not is_kept:
            self.remembered.add(key, made)
        return made

    def _make(self, key: PreviewKey, size: int) -> tuple[MadePreview, bool]:
        """Do it, in the thread; report whether the preview is in the table now."""
        if self._sandbox is None:
            self._sandbox = Sandbox(self._memory_bytes, NICENESS)
        try:
            database = connect(self._url)
        except Unreachable as fault:
            raise DatabaseAway(str(fault)) from fault
        with (
            closing(database),
            closing(Lines()) as lines,
            limited_lock_waits(LOCK_SECONDS),
        ):
            lines.add(database)
            database.set_session(readonly="default", autocommit=True)
            self._lines = lines
            try:
                media = open_video(database, key.video_id, size)
                made = make_preview(media, self._sandbox, key)
                return made, keep_if_possible(database, key, made)
            except psycopg2.Error as error:
                if not is_damage(error) or database.closed:
                    raise
                sentence = f"Video {key.video_id} is damaged: see bytereel verify."
                raise NoPreview(sentence) from error
            finally:
                self._lines = None

    def _break_job(self) -> None:
        """Have what runs in the thread fail, whatever it waits for."""
        lines, sandbox = self._lines, self._sandbox
        if lines is not None:
            lines.cut()
        if sandbox is not None:
            sandbox.kill()

    def _rest(self) -> None:
        if not self._making and not self._closed:
            self._thread.submit(self._close_sandbox)

    def _close_sandbox(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def break_off(self) -> None:
        """End what is being made, and begin nothing more."""
        self._closed = True
        if self._idle:
            self._idle.cancel()
        for task in self._making.values():
            task.cancel()
        self._break_job()

    async def close(self) -> None:
        """Break off and wait until the thread has ended."""
        self.break_off()
        with suppress(RuntimeError):
            self._thread.submit(self._close_sandbox)
        await asyncio.to_thread(self._thread.shutdown)


class Remembered:
    """Answers that are in no table: what can't be kept, and why there is nothing."""

    def __init__(self) -> None:
        self._known: OrderedDict[PreviewKey, tuple[float, MadePreview | NoPreview]]
        self._known = OrderedDict()
        self._bytes = 0

    def find(self, key: PreviewKey) -> MadePreview | NoPreview | None:
        """Return what is known of a preview and not too old."""
        until, answer = self._known.get(key, (0.0, None))
        return answer if monotonic() < until else None

    def add(self, key: PreviewKey, answer: MadePreview | NoPreview) -> None:
        """Remember an answer; the oldest give way to it."""
        self._drop(key)
        self._known[key] = monotonic() + REMEMBERED_SECONDS, answer
        self._bytes += _measure(answer)
        while len(self._known) > REMEMBERED_MAX or self._bytes > REMEMBERED_BYTES:
            self._drop(next(iter(self._known)))

    def _drop(self, key: PreviewKey) -> None:
        if key in self._known:
            self._bytes -= _measure(self._known.pop(key)[1])


def _measure(answer: MadePreview | NoPreview) -> int:
    return len(answer.image) if isinstance(answer, MadePreview) else 0


MAKER: web.AppKey[PreviewMaker] = web.AppKey("previews")


def add_maker(app: web.Application, database_url: str, workers: int) -> None:
    """Have the application make previews from its start to its end."""

    async def run_maker(app: web.Application) -> AsyncIterator[None]:
        app[MAKER] = PreviewMaker(database_url, workers)
        yield
        await close_maker(app)

    async def close_maker(app: web.Application) -> None:
        await app[MAKER].close()

    app.cleanup_ctx.append(run_maker)
    app.on_shutdown.append(close_maker)
