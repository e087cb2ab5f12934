"""A network between two programs that a test makes worse, and well again, as it runs.

    async with linked(host, port) as link:  # or linked("/run/postgresql", 5432)
        link.own_port                # where to connect instead
        link.delay = 1.0             # seconds each way, from now on
        link.rate = 10_000           # bytes a second of each connection and direction
        link.mend()                  # delay and rate are gone, what was stalled flows
        link.hang_up()               # end every connection in order, with FIN

and all that tests.breakable offers: cut, stall, resume, limit, refuse. After refuse,
listen(port) accepts again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.breakable import Breakable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE_SECONDS = 0.05  # of a slow line, what travels as one piece
AHEAD_SECONDS = 0.5  # how far the sender may be ahead of a slow line
CLOSE_SECONDS = 0.05  # so that the loop closes what was aborted


class Link(Breakable):
    """The proxy; see the module's text."""

    def __init__(self, host: str, port: str) -> None:
        super().__init__(host, port)
        self.own_port = 0
        self.delay = 0.0
        self.rate = 0

    def mend(self) -> None:
        """Be a good network again, for what is under way too."""
        self.delay, self.rate = 0.0, 0
        self.resume()

    def hang_up(self) -> None:
        """Close every connection; what was passed on still arrives."""
        for writer in self._open:
            if not writer.is_closing():
                writer.close()

    async def refuse(self) -> None:
        await super().refuse()
        await asyncio.sleep(CLOSE_SECONDS)

    async def listen(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.own_port = self._server.sockets[0].getsockname()[1]
        return self.own_port

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: bool
    ) -> None:
        late = asyncio.StreamReader()
        task = asyncio.create_task(self._hold_back(reader, late))
        try:
            await super()._pump(late, writer, counts)
        finally:
            task.cancel()

    async def _hold_back(
        self, reader: asyncio.StreamReader, late: asyncio.StreamReader
    ) -> None:
        """Copy what is read to late, each byte when it is due."""
        loop = asyncio.get_running_loop()
        held: deque[bytes] = deque()
        free_at = 0.0  # when the line has taken all that was read

        def release() -> None:
            if data := held.popleft():
                late.feed_data(data)
            else:
                late.feed_eof()

        try:
            while True:
                most = max(int(self.rate * PIECE_SECONDS), 1) if self.rate else 65536
                data = await reader.read(most)
                held.append(data)
                now = loop.time()
                free_at = max(free_at, now)
                if self.rate:
                    free_at += len(data) / self.rate
                if free_at + self.delay > now or len(held) > 1:
                    loop.call_at(free_at + self.delay, release)
                else:
                    release()
                if not data:
                    return
                if self.rate and free_at > now + AHEAD_SECONDS:
                    await asyncio.sleep(free_at - now - AHEAD_SECONDS)
        except OSError as error:
            late.set_exception(error)


@asynccontextmanager
async def linked(host: str, port: int, at: int = 0) -> AsyncIterator[Link]:
    """Yield a link, on the port at, to the server there; a host may be a folder."""
    link = Link(host, str(port))
    await link.listen(at)
    try:
        yield link
    finally:
        await link.refuse()
