"""The files made of videos, kept in memory that is bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from server.hls.cuts import Cuts
from server.hls.files import MEDIA_FILE, Files, build_files, identify
from server.hls.layout import Unfit
from server.hls.pieces import PieceCache
from server.hls.reading import read_index
from server.postgres.pool import StatementTimeout
from server.reading.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.hls.playlists import Variant
    from server.model import Video
    from server.reading.store import Store
    from server.video.plan import Plan

    Made = Files | Unfit
    Key = tuple[int, int, int | None]

LIMIT_BYTES = 16_000_000  # films of two and a half hours, or 800 clips
AT_ONCE = 2  # that are made; each may hold an index of 32 MiB
SHORT_BYTES = 32 * 1024  # of an index that a thread would not serve better
VARIANTS = 2_000  # that are kept; each takes half a kilobyte
_UNFIT_BYTES = 1_000
BUSY = "The playlist is being made: try again soon."
KINDS = ("init", "part", "whole", "none")
"""What a GET of the virtual file got: its start, which holds the init section; another
part, which is a segment as a rule; all of it; or nothing of it, as with a 304."""


class BeingMade(Exception):
    """What is asked for is not ready yet, which is not the database's fault."""


class Layouts:
    """Makes the files of videos and keeps those used last; a wrong one is kept, too.

    Who asks for what is being made shares it.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes  # the files of one video may be larger
        self.held_bytes = 0
        self.made = 0
        self.evictions = 0
        self.cuts = Cuts()
        self.answers = dict.fromkeys(KINDS, 0)
        self._pieces = PieceCache()
        self._kept: OrderedDict[Key, tuple[Made, int]] = OrderedDict()
        self._variants: OrderedDict[Key, Variant | Unfit] = OrderedDict()
        self._coming: dict[Key, asyncio.Task[Made]] = {}
        self._reading: set[Key] = set()  # what the database is asked for
        self._room = asyncio.Semaphore(AT_ONCE)
        # One, since several would only share the interpreter.
        self._thread = ThreadPoolExecutor(1, "layouts")

    def recall(self, video: Video) -> Made | None:
        """Return what is kept of a video, and count the use."""
        key = identify(video)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    async def find(self, store: Store, video: Video) -> Made:
        """Return the files of a video, or why there are none.

        Raises VideoChanged, BeingMade when the budget of the answer is spent on the
        making, and what the reading raises.
        """
        made = self.recall(video)
        if made is not None:
            return made
        key = identify(video)
        coming = self._coming.get(key)
        if coming is None:
            # In a context of its own: it goes on for others than who asked first.
            making = self._make(store, video, key)
            coming = asyncio.create_task(making, context=Context())
            self._coming[key] = coming
            coming.add_done_callback(_forgive)
        try:
            return await wait_for(coming)
        except StatementTimeout as error:
            if coming.done() or self._is_read(key):
                raise
            raise BeingMade(BUSY) from error

    def _is_read(self, key: Key) -> bool:
        """Report whether the database is what a video waits for."""
        return key in self._reading or len(self._reading) == AT_ONCE

    async def describe(self, store: Store, video: Video) -> Variant | Unfit:
        """Return what a master playlist tells of a video, or why there is nothing.

        It outlives the files, which are large: a master tells of several videos. Raises
        what find raises.
        """
        key = identify(video)
        variant = self._variants.get(key)
        if variant is None:
            made = await self.find(store, video)
            variant = made.variant if isinstance(made, Files) else made
            self._variants[key] = variant
            if len(self._variants) > VARIANTS:
                self._variants.popitem(last=False)
        return variant

    async def _make(self, store: Store, video: Video, key: Key) -> Made:
        try:
            async with self._room:
                made = await self._build(store, video, key)
        finally:
            del self._coming[key]
        self.made += 1
        self._keep(key, made, made.weight if isinstance(made, Files) else _UNFIT_BYTES)
        return made

    async def _build(self, store: Store, video: Video, key: Key) -> Made:
        try:
            moov = await self._read(store, video, key)
            if len(moov) <= SHORT_BYTES:
                return build_files(video, moov, self._pieces)
            loop = asyncio.get_running_loop()
            building = partial(build_files, video, moov, self._pieces)
            return await loop.run_in_executor(self._thread, building)
        except Unfit as unfit:
            # Another one, without what led to it: the index would be held.
            return Unfit(unfit.code, unfit.reason, unfit.repair)

    async def _read(self, store: Store, video: Video, key: Key) -> bytes:
        self._reading.add(key)
        try:
            return await read_index(store, video)
        finally:
            self._reading.discard(key)

    def _keep(self, key: Key, made: Made, weight: int) -> None:
        self._kept[key] = made, weight
        self.held_bytes += weight
        while self.held_bytes > self.limit_bytes and len(self._kept) > 1:
            _, (_, least) = self._kept.popitem(last=False)
            self.held_bytes -= least
            self.evictions += 1

    def count(self, name: str, plan: Plan) -> None:
        """Count the answer to a GET of one of the files."""
        if name == MEDIA_FILE:
            self.answers[find_kind(plan)] += 1

    async def close(self) -> None:
        """Stop making."""
        tasks = list(self._coming.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
        self._thread.shutdown(wait=False, cancel_futures=True)


def find_kind(plan: Plan) -> str:
    """Return which of KINDS the answer to a GET of the virtual file is."""
    if plan.status == 200:
        return "whole"
    if plan.status != 206:
        return "none"
    first = plan.body[0]
    return "init" if isinstance(first, range) and not first.start else "part"


def _forgive(task: asyncio.Task[Made]) -> None:
    """Take note of an error for which nobody may have waited."""
    if not task.cancelled():
        task.exception()


LAYOUTS: web.AppKey[Layouts] = web.AppKey("layouts")


async def keep_layouts(app: web.Application) -> AsyncIterator[None]:
    """Hold the files of videos while the application runs."""
    app[LAYOUTS] = Layouts()
    yield
    await app[LAYOUTS].close()
