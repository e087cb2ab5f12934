"""HTTP/1.1 by hand over a socket: sends what it is told, checks what comes back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from server.video.head import render_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from server.video.plan import Plan

SECONDS = 20  # for one step; only a hang takes so long


class Head(NamedTuple):
    """The status and headers of an answer; names in lower case."""

    status: int
    headers: dict[str, str]

    @property
    def length(self) -> int:
        return int(self.headers["content-length"])


def fields(plan: Plan) -> dict[str, str]:
    """Return the headers of an answer as they are sent, but for the date."""
    lines = render_head(plan, keep_alive=True).decode("latin-1").split("\r\n")
    sent = dict(line.split(": ", 1) for line in lines[1:-2])
    del sent["Date"]
    return sent


class Wire:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] = {}
    ) -> Head:
        """Send a request and return the head of its answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: video.example"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())
        return await self.head()

    async def head(self) -> Head:
        async with asyncio.timeout(SECONDS):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text[:-4].split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header came twice: {lines}"
        assert first.startswith("HTTP/1.")
        return Head(int(first.split(" ")[1]), headers)

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Return what comes until the server closes."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()

    async def get(
        self, target: str, headers: Mapping[str, str] = {}
    ) -> tuple[Head, bytes]:
        """Send a GET and return the whole answer."""
        head = await self.ask("GET", target, headers)
        return head, b"" if head.status == 304 else await self.read(head.length)

    def abort(self) -> None:
        """Leave at once, as a player does."""
        self.writer.transport.abort()


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Wire]:
    """Hold a connection to the server on port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
