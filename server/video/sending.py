"""Send a planned answer: a short one at once, a long one at the client's pace."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.api.troubles import TROUBLES, explain_trouble
from server.postgres.budget import renew_budget
from server.reading.ahead import GROUP, Chunks, trim
from server.reading.waiting import wait_for
from server.video.gather import gather
from server.video.head import render_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.model import Video
    from server.reading.store import First, Store
    from server.video.gather import Gathered
    from server.video.pacing import Pace
    from server.video.plan import Plan

STALL_SECONDS = 0.25  # of waiting for a client, then what was read ahead is released
LONG_BYTES = 320 * 1024  # an answer that a player may leave half-way
UNSENT_BYTES = 32 * 1024  # of such an answer that the kernel may buffer unsent

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
        """Take when the first byte went out, by perf_counter, and what was sent."""
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
        """Keep the kernel from buffering much that the client may never take.

        For an answer that is always sent whole this would only cost time.
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

    first is what came along with the row, sent hears of each span that has gone out,
    pace holds a player back. Raises what the reading raises as long as another status
    can be sent.
    """
    outlet = Outlet(request)
    head = render_head(plan, request.keep_alive)
    whole = False
    try:
        gathered = None
        if pace is None and not store.crowded:  # or memory comes before speed
            gathered = gather(store, video, plan, head, first)
        if gathered is None:
            await _stream(outlet, plan, head, Source(store, video, first), sent, pace)
        else:
            await _send_at_once(outlet, plan, gathered, sent)
        whole = True
    except ConnectionError:
        pass  # most answers to a player end like this
    except Exception as error:
        if outlet.begun_at is None:
            raise
        # Too late for another status; the client notices that the body is too short.
        sentence = explain_trouble(error)
        if sentence is None:
            _log.warning("%s broken off: %r", request.path, error)
        else:
            request.app[TROUBLES].note(sentence, request, error)
        if request.transport is not None:
            request.transport.abort()
    return Sent(
        plan.status,
        request.keep_alive,
        begun_at=outlet.begun_at,
        body_bytes=max(outlet.written - len(head), 0),
        whole=whole,
    )


async def _send_at_once(
    outlet: Outlet, plan: Plan, gathered: Gathered, sent: Callable[[range], None]
) -> None:
    """Send a short answer in one write, once all of it has come."""
    for pending in gathered.pending:
        await wait_for(pending.chunk)
    keeps_up = outlet.write(gathered.complete())
    for piece in plan.body:
        if isinstance(piece, range):
            sent(piece)
    if not keeps_up:
        await outlet.drain()


class Source(NamedTuple):
    """Where the bytes of a body come from."""

    store: Store
    video: Video | None
    first: First | None

    def find_held(self, span: range) -> list[bytes | memoryview] | None:
        """Return the bytes of a short span, if memory holds them and has room."""
        starts = self.store.starts(span)
        if self.video is None or len(starts) > GROUP or self.store.crowded:
            return None
        held = [self.store.held(self.video, start) for start in starts]
        pairs = zip(held, starts, strict=True)
        found = [trim(chunk, start, span) for chunk, start in pairs if chunk]
        return found if len(found) == len(starts) else None


async def _stream(
    outlet: Outlet,
    plan: Plan,
    head: bytes,
    source: Source,
    sent: Callable[[range], None],
    pace: Pace | None,
) -> None:
    """Send a long answer chunk by chunk, as the client takes them."""
    waiting: list[bytes | memoryview] = [head]
    if plan.body_bytes > LONG_BYTES:
        outlet.hold_little()
    for piece in plan.pieces():
        if isinstance(piece, bytes):
            waiting.append(piece)
            if plan.spread:  # it took long to make, and memory has what comes next
                await asyncio.sleep(0)
        elif source.video is not None and piece:
            held = source.find_held(piece) if plan.spread else None
            if held is None:
                chunks = Chunks(source.store, source.video, piece, source.first)
                await _send_span(outlet, waiting, chunks, piece, sent, pace)
                continue
            waiting += held
            if sum(map(len, waiting)) >= LONG_BYTES:
                await source.store.check(source.video)
                await _flush(outlet, waiting)
    if waiting:
        await _flush(outlet, waiting)


async def _flush(outlet: Outlet, waiting: list[bytes | memoryview]) -> None:
    """Send what is waiting."""
    keeps_up = outlet.write(waiting)
    waiting.clear()
    renew_budget()
    if not keeps_up:
        await outlet.drain()


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
        renew_budget()
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
