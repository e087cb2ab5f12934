"""The end of a server's connections: each is answered, then closed, none cut off.

From the start of the end every answer says `Connection: close`, so that its client
opens another connection for what comes next (RFC 9112, 9.6). A connection on which
nothing is asked any more is closed once it has been quiet for a while.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from time import monotonic
from typing import TYPE_CHECKING, Any

from server.serving import aiohttp_private
from server.serving.connection import Connection

if TYPE_CHECKING:
    from aiohttp import web

QUIET_SECONDS = 2.0  # in which a client may still send on a connection it kept
STEP_SECONDS = 0.1
TURNS = 5  # of the loop, until an accepted socket is a connection of the server's
CANCEL_SECONDS = 0.2  # for aiohttp, which takes it twice: to wait, then to cancel


class Draining:
    """Knows whether the end has begun, and brings the connections to theirs."""

    def __init__(self, server: web.Server) -> None:
        """Take the server before it has any connection."""
        self._server = server
        self._make_request = server.request_factory
        self.began: float | None = None  # by monotonic
        server.request_factory = self._receive

    def _receive(self, message: Any, payload: Any, protocol: Any, *rest: Any) -> Any:
        """Make a request, and the last one of its connection once the end has begun."""
        if self.began is not None and not protocol.has_more:
            message = message._replace(should_close=True)
        return self._make_request(message, payload, protocol, *rest)

    def watch(self, connection: Connection) -> Connection:
        """Return a new connection, which may have come when the end had begun."""
        if self.began is not None:
            connection.drain()
        return connection

    def begin(self) -> None:
        """Let the end begin, if it has not."""
        if self.began is None:
            self.began = monotonic()
            for each in self._list_open():
                each.drain()

    async def finish(self, until: float) -> None:
        """Return when all connections are closed, or at a moment by monotonic."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if aiohttp_private.MISSING:  # nobody knows which are quiet
            self._server.pre_shutdown()
        while self._server.connections and (left := until - monotonic()) > 0:
            connections = self._list_open()
            for each in connections:
                _close_if_quiet(each)
            lost = [each.lost for each in connections if not each.lost.done()]
            pause = min(STEP_SECONDS, left)
            if lost:
                await asyncio.wait(lost, timeout=pause)
            else:  # a client has left, and its request is still at work
                await asyncio.sleep(pause)

    async def break_off(self) -> None:
        """Cancel what is still at work, and cut the connections that are left."""
        transports = [each.transport for each in self._server.connections]
        if transports:
            await self._server.shutdown(CANCEL_SECONDS)
        for transport in transports:
            if transport is not None:
                transport.abort()

    def _list_open(self) -> list[Connection]:
        connections = self._server.connections
        return [each for each in connections if isinstance(each, Connection)]


def _close_if_quiet(connection: Connection) -> None:
    """Close a connection that waits for a request, unless one was just sent."""
    now = monotonic()
    if not connection.draining:  # it was accepted before the end, made after
        connection.drain()
    if aiohttp_private.MISSING or not connection.idle:
        connection.heard = now
    elif now - connection.heard >= QUIET_SECONDS and not _has_unread(connection):
        connection.force_close()


def _has_unread(connection: Connection) -> bool:
    """Report whether something came that the loop has not read yet."""
    transport = connection.transport
    line = None if transport is None else transport.get_extra_info("socket")
    if line is None or line.fileno() < 0:
        return False
    count = fcntl.ioctl(line.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder) > 0
