"""Send a planned answer at the client's pace, reading ahead only as it keeps up."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING

from aiohttp import web

from server.store import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.model import Video
    from server.plan import Plan
    from server.store import Chunk, First, Store

AHEAD = 6  # chunks read while one goes out, to a client that keeps up
REFILL = 3  # when so small a part of them is left, the next are read in one statement
AHEAD_AFTER_BYTES = 512 * 1024  # a player leaves most answers before
STALL_SECONDS = 1.0
GROUP = 5  # chunks from memory that go out together: 256 KiB lie in so many

_log = logging.getLogger(__name__)


class Sent(web.StreamResponse):
    """An answer that has gone out: nothing is left to do for aiohttp."""

    def __init__(self, status: int, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._stays = keep_alive

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
        self.begun = False

    def write(self, buffers: Sequence[bytes | memoryview]) -> bool:
        """Hand buffers to the kernel; report whether it took all of them."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        self.begun = True
        transport.writelines(buffers)
        return not transport.get_write_buffer_size()

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
) -> web.StreamResponse:
    """Send head and body; a client that leaves is no error.

    Raises what the reading raises as long as another status can be sent.
    """
    outlet = Outlet(request)
    waiting: list[bytes | memoryview] = [render_head(plan, request.keep_alive)]
    try:
        for piece in plan.body:
            if isinstance(piece, bytes):
                waiting.append(piece)
            elif video is not None and piece:
                await _send_span(outlet, waiting, store, video, piece, first, sent)
        if waiting and not outlet.write(waiting):
            await outlet.drain()
    except ConnectionError:
        pass  # most answers to a player end like this
    except Exception as error:
        if not outlet.begun:
            raise
        # Too late for another status: short of Content-Length the client must notice.
        _log.warning("%s broken off: %r", request.path, error)
        if request.transport is not None:
            request.transport.abort()
    return Sent(plan.status, request.keep_alive)


async def _send_span(
    outlet: Outlet,
    waiting: list[bytes | memoryview],
    store: Store,
    video: Video,
    span: range,
    first: First | None,
    sent: Callable[[range], None],
) -> None:
    """Send the bytes of span behind what is waiting."""
    starts = store.starts(span)
    ahead: deque[Chunk] = deque()
    # A short answer is read in one go: few leave it before its end.
    width = len(starts) - 1 if len(starts) <= GROUP else 0  # chunks to ask for ahead
    place = gone = 0  # of the chunk to ask for next; bytes
    while ahead or place < len(starts):
        at = starts[place - len(ahead)]
        if ahead:
            chunk = ahead.popleft()
        else:
            chunk = _begin(store, video, at, span, first)
            place += 1
            if not isinstance(chunk, bytes) or store.held(video, at) is None:
                _fill(ahead, store, video, starts[place : place + width], span)
                place += len(ahead)
        data = chunk if isinstance(chunk, bytes) else await asyncio.shield(chunk)
        group = [trim(data, at, span)]
        while not ahead and place < len(starts) and len(group) < GROUP:
            held = store.held(video, starts[place])
            if held is None:
                break
            group.append(trim(held, starts[place], span))
            place += 1
        if len(group) > 1 or isinstance(chunk, bytes):
            await store.check(video)
        if len(ahead) <= width // REFILL:
            more = starts[place : place + width - len(ahead)]
            _fill(ahead, store, video, more, span)
            place += len(more)
        length = sum(map(len, group))
        keeps_up = outlet.write([*waiting, *group])
        waiting.clear()
        gone += length
        if keeps_up:
            width = min(width + 1, AHEAD) if gone > AHEAD_AFTER_BYTES else 0
        else:
            width = 0
            del chunk, data, group
            # A client that stalls holds what was written and no more.
            asked = len(ahead)
            loop = asyncio.get_running_loop()
            timer = loop.call_later(STALL_SECONDS, ahead.clear)
            await outlet.drain()
            timer.cancel()
            place -= asked - len(ahead)
        begun = max(at, span.start)
        sent(range(begun, begun + length))


def _fill(
    ahead: deque[Chunk], store: Store, video: Video, starts: range, span: range
) -> None:
    """Ask for chunks at once, so that they travel together."""
    for start in starts:
        ahead.append(store.read(video, start, span))


def _begin(
    store: Store, video: Video, start: int, span: range, first: First | None
) -> Chunk:
    """Return a chunk: the one that came with the row, if it is that."""
    needed = min(start + CHUNK_BYTES, span.stop) - start
    if first is not None and first.start == start and len(first.data) >= needed:
        return first.data
    return store.read(video, start, span)


def trim(data: bytes, start: int, span: range) -> bytes | memoryview:
    """Return the part of a chunk that lies in span, without a copy."""
    low, high = max(span.start - start, 0), span.stop - start
    if low == 0 and high >= len(data):
        return data
    return memoryview(data)[low:high]


def render_head(plan: Plan, keep_alive: bool | None) -> bytes:
    """Return the status line and headers (RFC 9112, 4 and 5)."""
    fields = _render_fields(plan.headers)
    connection = "" if keep_alive else "Connection: close\r\n"
    return (
        f"{_status_line(plan.status)}Date: {_date(int(time()))}\r\n{connection}"
        f"{fields}\r\n"
    ).encode("latin-1")


def _render_fields(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@lru_cache(maxsize=16)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
