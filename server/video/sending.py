"""Send a planned answer at the client's pace."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter, time
from typing import TYPE_CHECKING

from aiohttp import web

from server.reading.ahead import Chunks
from server.video.plan import render_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.model import Video
    from server.reading.store import First, Store
    from server.video.pacing import Pace
    from server.video.plan import Plan

STALL_SECONDS = 0.25  # then what was read ahead is given back
LONG_BYTES = 320 * 1024  # an answer that a player may leave half-way
UNSENT_BYTES = 32 * 1024  # what the kernel may hold of it before it sends it

_log = logging.getLogger(__name__)


class Sent(web.StreamResponse):
    """An answer that has gone out: nothing is left to do for aiohttp."""

    def __init__(
        self,
        status: int,
        keep_alive: bool,
        *,
        begun_at: float | None,
        body_bytes: int,
        whole: bool,
    ) -> None:
        """Tell when the first byte went out, by perf_counter, and what followed."""
        super().__init__(status=status)
        self._stays = keep_alive
        self.begun_at = begun_at
        self.body_bytes = body_bytes
        self.whole = whole  # nobody left it or broke it off

    @property
    def keep_alive(self) -> bool:
        """Report whether the connection stays open."""
        return self._stays

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing: the head is on its way."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the body is on its way."""


class Outlet:
    """The client's end of the connection."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.begun_at: float | None = None  # by perf_counter
        self.written = 0  # bytes

    def write(self, buffers: Sequence[bytes | memoryview]) -> bool:
        """Hand buffers to the kernel; report whether it took all of them."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        transport.writelines(buffers)
        self.begun_at = self.begun_at or perf_counter()
        self.written += sum(map(len, buffers))
        return not transport.get_write_buffer_size()

    def hold_little(self) -> None:
        """Have the kernel refuse what it can't send soon: it may be for nothing.

        Where an answer is sent whole, this would only cost time.
        """
        level, option = socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT
        transport = self._request.transport
        wire = None if transport is None else transport.get_extra_info("socket")
        if wire is not None:
            with suppress(OSError):  # the client has left
                wire.setsockopt(level, option, UNSENT_BYTES)

    async def drain(self) -> None:
        """Wait until the kernel has taken what was written."""
        await self._request.writer.drain()


async def send(
    request: web.Request,
    plan: Plan,
    store: Store,
    video: Video | None,
    first: First | None,
    sent: Callable[[range], None],
    pace: Pace | None = None,
) -> web.StreamResponse:
    """Send head and body; a client that leaves is no error.

    Raises what the reading raises as long as another status can be sent.
    """
    outlet = Outlet(request)
    head = render_head(plan, request.keep_alive)
    waiting: list[bytes | memoryview] = [head]
    whole = False
    try:
        if sum(map(len, plan.body)) > LONG_BYTES:
            outlet.hold_little()
        for piece in plan.body:
            if isinstance(piece, bytes):
                waiting.append(piece)
            elif video is not None and piece:
                chunks = Chunks(store, video, piece, first)
                await _send_span(outlet, waiting, chunks, piece, sent, pace)
        if waiting and not outlet.write(waiting):
            await outlet.drain()
        whole = True
    except ConnectionError:
        pass  # most answers to a player end like this
    except Exception as error:
        if outlet.begun_at is None:
            raise
        # Too late for another status: short of Content-Length the client must notice.
        _log.warning("%s broken off: %r", request.path, error)
        if request.transport is not None:
            request.transport.abort()
    return Sent(
        plan.status,
        request.keep_alive,
        begun_at=outlet.begun_at,
        body_bytes=max(outlet.written - len(head), 0),
        whole=whole,
    )


async def _send_span(
    outlet: Outlet,
    waiting: list[bytes | memoryview],
    chunks: Chunks,
    span: range,
    sent: Callable[[range], None],
    pace: Pace | None,
) -> None:
    """Send the bytes of span behind what is waiting."""
    begun = span.start
    while begun < span.stop:
        group = await chunks.take()
        ended = begun + sum(map(len, group))
        keeps_up = outlet.write([*waiting, *group])
        waiting.clear()
        del group  # a client that stalls holds what was written and no more
        chunks.note(ended - begun, keeps_up=keeps_up and pace is None)
        if not keeps_up:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(STALL_SECONDS, chunks.forget)
            await outlet.drain()
            timer.cancel()
        if pace is not None and ended < span.stop:
            await pace.hold(ended - begun)
        sent(range(begun, ended))
        begun = ended


def render_head(plan: Plan, keep_alive: bool | None) -> bytes:
    """Return the status line and headers (RFC 9112, 4 and 5)."""
    first = _first_lines(plan.status, int(time()))
    connection = "" if keep_alive else "Connection: close\r\n"
    fields = f"{connection}{plan.shared}{render_fields(plan.own)}"
    return f"{first}{fields}\r\n".encode("latin-1")


@lru_cache(maxsize=16)
def _first_lines(status: int, seconds: int) -> str:
    date = formatdate(seconds, usegmt=True)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nDate: {date}\r\n"
