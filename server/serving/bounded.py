"""aiohttp's connection, of which no client can take much memory or time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, cast

from aiohttp import web

from server.api.errors import Refused
from server.serving.aiohttp_private import count_parsed, drop_parsed, find_body
from server.serving.intake import Intake
from server.serving.refusing import fail_body, render_refusal
from server.telemetry.metrics import OTHER

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from server.serving.clients import Clients
    from server.serving.heads import Head
    from server.telemetry.metrics import Metrics

HEADER_BYTES = 32 * 1024  # of one header, of which an edge passes on 16 KiB and more
BUFFER_BYTES = 64 * 1024  # of a body that a handler has not read yet
LINGER_SECONDS = 2.0  # for a client to read an answer before its connection is cut
DROPPED_BYTES = 64 * 1024  # that are read meanwhile; the rest waits in the kernel
FOREVER_SECONDS = 1e8  # aiohttp closes no idle connection, the sweep does

BROKEN = "The body is not framed as its headers say."


class BoundedConnection(web.RequestHandler):
    """Gives aiohttp one request after the other, and refuses what breaks a bound.

    A head is held until all of it has come, a body goes on as it comes, and the next
    request waits for the end of the answer.
    """

    __slots__ = (
        *("_active", "_busy", "_clients", "_content", "_counted", "_dropped"),
        *("_dropping", "_end", "_intake", "_metrics", "_opened", "_waits", "lost"),
    )

    def __init__(self, server: web.Server, clients: Clients, metrics: Metrics) -> None:
        """Take who counts connections, and what counts answers."""
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=FOREVER_SECONDS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
            read_bufsize=BUFFER_BYTES,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type] # as AppRunner passes it on
        )
        self.lost: asyncio.Future[None] = loop.create_future()
        self._clients = clients
        self._metrics = metrics
        self._intake = Intake()
        self._content: StreamReader | None = None  # the body of what is being answered
        self._busy = False  # a request is being answered
        self._dropping = False  # what comes is dropped
        self._waits = False  # nothing is read until there is an answer
        self._counted = 0  # of the bytes held, as the clients' sum has them
        self._dropped = 0  # bytes
        self._end: asyncio.TimerHandle | None = None  # of what is refused
        self._opened = 0.0  # by monotonic, as the next
        self._active = 0.0  # when a request was begun or answered last, 0 for never

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there may be one more connection."""
        wire = cast("asyncio.Transport", transport)
        refused = self._clients.admit(self, wire.get_extra_info("peername"))
        if refused is not None:
            self._dropping = True
            wire.write(render_refusal(refused))
            wire.close()
            return
        super().connection_made(transport)
        self._opened = monotonic()
        # Wait, when something is written, until the kernel has taken all of it.
        wire.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back what it had, and tell who waits for the end."""
        self._clients.leave(self)
        if self._end is not None:
            self._end.cancel()
        self._release()
        self._unhold()
        super().connection_lost(exc)
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take what has come; nothing means that aiohttp goes on with what it has."""
        if not data:
            self._feed(data)
        elif self._dropping:
            self._drop(len(data))
        else:
            self._intake.add(data)
            self._advance()

    def _drop(self, count: int) -> None:
        """Read a little on, so that the client gets its answer; the rest may wait."""
        self._dropped += count
        wire = self.transport
        if self._dropped > DROPPED_BYTES and wire is not None and not wire.is_closing():
            wire.pause_reading()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _advance(self) -> None:
        """Give aiohttp what it may have of what is held."""
        try:
            while self._intake.held and not self._dropping and self._give():
                pass
            self._count_held()
        except Refused as refused:
            self._refuse(refused)

    def _give(self) -> bool:
        """Give aiohttp the next piece; report whether there may be another."""
        if self._intake.body is not None:
            self._feed(self._intake.take_body())
            return True
        if self._busy:
            self._intake.check_waiting()
            self._pause()
            return False
        head = self._intake.take_head(monotonic())
        if head is not None:
            self._begin(head)
        return head is not None

    def _begin(self, head: Head) -> None:
        self._clients.check_busy(head.target)
        self._claim()
        super().data_received(head.data)
        self._content = find_body(self)

    def _feed(self, data: bytes) -> None:
        """Give aiohttp a piece of a body."""
        before = count_parsed(self)
        super().data_received(data)
        if self._busy and count_parsed(self) > before:  # it says what is wrong
            drop_parsed(self)
            self._refuse(Refused(400, BROKEN))

    def _count_held(self) -> None:
        """Count what is held with that of all clients; raise Refused for too much."""
        before, self._counted = self._counted, len(self._intake.held)
        if before != self._counted:
            self._clients.hold(before, self._counted)

    def _unhold(self) -> bytes:
        """Return what is held, which is held no more."""
        data = self._intake.drain()
        self._clients.held_bytes -= self._counted
        self._counted = 0
        return data

    def _claim(self) -> None:
        """Count a request that is being answered."""
        self._busy = True
        self._active = monotonic()
        self._clients.requests += 1

    def _release(self) -> None:
        if self._busy:
            self._busy = False
            self._active = monotonic()
            self._clients.requests -= 1
        self._content = None

    def _pause(self) -> None:
        """Leave what comes to the kernel until there is an answer."""
        if self.transport is not None:
            self._waits = True
            self.transport.pause_reading()

    def _go_on(self) -> None:
        """Take what came while a request was being answered."""
        if self._waits and self.transport is not None:
            self._waits = False
            self.transport.resume_reading()
        if self._intake.held:
            self.data_received(self._unhold())

    def _refuse(self, refused: Refused) -> None:
        """Answer so and close, or let the handler that reads the body do it."""
        self._dropping = True
        held = self._unhold()
        if self._busy:
            if self._content is not None and not self._content.is_eof():
                fail_body(self._content, refused)
            return
        if self.transport is None:
            return
        self._metrics.note(OTHER, refused.status, 0, (0, 0))
        without_body = held.lstrip(b"\r\n").startswith(b"HEAD ")
        answer = render_refusal(refused, without_body=without_body)
        delay = 0.0 if refused.status == 503 else self._clients.delay_refusal(self)
        if delay:
            self.transport.pause_reading()
            self._end = self._loop.call_later(delay, self._answer_last, answer)
        else:
            self._answer_last(answer)

    def _answer_last(self, answer: bytes) -> None:
        """Send a refusal, and read on only for the client to get it."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            self.transport.write(answer)
            web.RequestHandler.close(self)
            self._end_soon()

    def _end_soon(self) -> None:
        """Close as soon as the client has had its answer, or a moment later."""
        self._dropping = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
            self._end = self._loop.call_later(LINGER_SECONDS, self._abort)

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, then take the next request."""
        if not self._intake.ends_soon():
            self._dropping = True
        refused = self._dropping
        if refused:
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            content = self._content
            self._release()
            if resp.keep_alive and not self._dropping:
                self._go_on()
            else:
                self._dropping = True
                if refused:
                    await self._linger()
                    if content is not None and not content.is_eof():
                        content.feed_eof()  # so that aiohttp does not wait for it
                web.RequestHandler.close(self)

    async def _linger(self) -> None:
        """Drop what comes for a moment, in which the client may read its answer."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
            await asyncio.wait([self.lost], timeout=LINGER_SECONDS)

    def look(self, now: float) -> None:
        """Close it if it is overdue; without limits of time it never is."""
