"""Clients that ask without a pause, check every byte and count what they lost."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

RANGE_BYTES = 100_000


class Load:
    """What clients of one video have asked for, and what became of it."""

    def __init__(self, connect: Connect, video: int, data: bytes) -> None:
        """Take what opens a connection, and a video with its bytes."""
        self.lost: list[str] = []
        self.answers = 0
        self.views = 0  # posts of a view that were taken
        self.connections = 0
        self._connect = connect
        self._video, self._data = video, data
        self._over = False
        self._goal = (0, asyncio.Event())

    @asynccontextmanager
    async def running(
        self, kept: int, new: int, pause: float = 0
    ) -> AsyncIterator[None]:
        """Have clients ask; kept ones keep their connection, new ones never do.

        Kept ones wait up to pause seconds between two requests.
        """
        clients = [self._ask_on_kept(pause) for _ in range(kept)]
        clients += [self._ask_on_new() for _ in range(new)]
        tasks = [asyncio.ensure_future(each) for each in clients]
        try:
            yield
        finally:
            self._over = True
            await asyncio.gather(*tasks)

    async def reach(self, answers: int) -> None:
        """Wait until so many more answers have come."""
        reached = asyncio.Event()
        self._goal = (self.answers + answers, reached)
        async with asyncio.timeout(120):
            await reached.wait()

    def _count(self) -> None:
        self.answers += 1
        goal, reached = self._goal
        if self.answers >= goal:
            reached.set()

    async def _ask_on_kept(self, pause: float) -> None:
        while not self._over:
            try:
                wire = await self._open()
            except OSError as error:
                self.lost.append(f"connect: {error!r}")
                continue
            try:
                # What was closed before anything was sent loses nothing.
                while not self._over and not wire.reader.at_eof():
                    if not await self._ask(wire):
                        break
                    await asyncio.sleep(pause * random.random())
            finally:
                wire.abort()

    async def _ask_on_new(self) -> None:
        while not self._over:
            try:
                wire = await self._open()
            except OSError as error:
                self.lost.append(f"connect: {error!r}")
                continue
            try:
                await self._ask(wire, {"Connection": "close"})
            finally:
                wire.abort()

    async def _open(self) -> Wire:
        self.connections += 1
        async with asyncio.timeout(30):
            return Wire(*await self._connect())

    async def _ask(self, wire: Wire, headers: Mapping[str, str] = {}) -> bool:
        """Send a request, and report whether its connection stays."""
        try:
            if random.random() < 0.25:
                return await self._post_view(wire, headers)
            return await self._get_range(wire, headers)
        except (OSError, EOFError, TimeoutError) as error:
            kind = "new" if headers else "kept"
            self.lost.append(f"{kind} connection: {error!r}")
            return False

    async def _get_range(self, wire: Wire, headers: Mapping[str, str]) -> bool:
        start = random.randrange(len(self._data) - RANGE_BYTES)
        stop = start + random.randrange(1, RANGE_BYTES)
        asked = {"Range": f"bytes={start}-{stop - 1}", **headers}
        head, body = await wire.get(f"/v3/videos/{self._video}", asked)
        if head.status != 206 or body != self._data[start:stop]:
            self.lost.append(f"{head} for {asked}")
        self._count()
        return head.headers.get("connection") != "close"

    async def _post_view(self, wire: Wire, headers: Mapping[str, str]) -> bool:
        body = b'{"views": [{"video_id": %d, "reached": "started"}]}' % self._video
        lines = ["POST /v3/views HTTP/1.1", "Host: video.example"]
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await wire.send("\r\n".join([*lines, "", ""]).encode() + body)
        head = await wire.head()
        if head.status == 204:
            self.views += 1
        else:
            self.lost.append(f"{head} for a view")
        self._count()
        return head.headers.get("connection") != "close"
