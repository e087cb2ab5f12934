"""One client's connection: aiohttp's, with a short way for what memory holds."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser

from server.errors import ERROR_HEADERS, render_error
from server.hot import HotParser, answer_now

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from server.store import Store

KEEPALIVE_SECONDS = 960  # an edge reuses connections for up to 900 s; it must close
BAD_REQUEST = "Bad request: this is no HTTP/1.1 (RFC 9112), or a header is too long."


class Connection(web.RequestHandler):
    """Answers from memory at once, and errors before any handler in their one shape.

    The short way needs private names of aiohttp: the parser, the queue of requests, the
    future that waits for the next one, and the time when an idle connection is closed.
    tests/test_hot.py fails when one of them changes.
    """

    __slots__ = ("_store", "lost")

    def __init__(self, server: web.Server, store: Store | None) -> None:
        """Take a store to answer from memory."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type] # as AppRunner passes it on
        )
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._store = store
        if store is not None:
            assert isinstance(self._parser, HttpRequestParser)
            hot = HotParser(self._parser, self.write_now)
            self._parser = hot  # type: ignore[assignment] # it has what is used of it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait, when something is written, until the kernel has taken all of it."""
        super().connection_made(transport)
        cast("asyncio.Transport", transport).set_write_buffer_limits(high=0)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell who waits for the end."""
        super().connection_lost(exc)
        self.lost.set_result(None)

    def write_now(self, message: RawRequestMessage) -> bool:
        """Report whether the request was answered on the spot."""
        idle = self._waiter is not None and not self._waiter.done()
        transport = self.transport
        if not idle or self._messages or transport is None or self._store is None:
            return False
        if transport.get_write_buffer_size():
            return False
        buffers = answer_now(self._store, message)
        if buffers is None:
            return False
        transport.writelines(buffers)
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_SECONDS
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that never reached a handler, and close."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        if isinstance(exc, UnicodeError):  # aiohttp stumbled over a header's bytes
            status = 400
        sentence = BAD_REQUEST if status == 400 else "Internal server error"
        level = logging.DEBUG if status == 400 else logging.ERROR
        self.logger.log(level, "%s: %s", sentence, request.remote, exc_info=exc)
        response = web.Response(
            status=status, body=render_error(sentence), headers=ERROR_HEADERS
        )
        response.force_close()
        return response
