"""Accept connections, and finish what is being sent at the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from server.errors import Fault
from server.hls.layouts import LAYOUTS
from server.reading.store import STORE
from server.serving import aiohttp_private
from server.serving.clients import CLIENTS
from server.serving.connection import Connection
from server.serving.draining import Draining
from server.serving.listening import BACKLOG, HALF_OPEN_SECONDS, open_port
from server.telemetry.access_log import ACCESS_LOG
from server.telemetry.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


ANSWER_SECONDS = 7.7  # for what is being sent at the end; then it is broken off
PORTS_TRIED = 100

_log = logging.getLogger(__name__)


def bind(
    host: str, port: int, *, search: bool = False, shared: bool = False
) -> socket.socket:
    """Return a listening socket; with search, on the next free port if need be.

    With shared another server may listen on the port too, if it says the same.
    Raises Fault when the address can't be had.
    """
    for tried in range(port, min(port + PORTS_TRIED, 65536) if search else port + 1):
        try:
            return open_port(host, tried, shared=shared)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Fault(
                    f"cannot listen on {host}:{tried} ({error.strerror}): "
                    "choose another --host or --port"
                ) from error
    if shared:
        raise Fault(
            f"port {port} of {host} is taken by a server without --share-port yes, or "
            "of another user: choose another --port, or 0"
        )
    raise Fault(f"port {port} of {host} is taken: choose another --port, or 0")


class _Aborting(asyncio.Protocol):
    """Cuts each connection off as soon as it is made; one instance serves for all."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


_ABORTING = _Aborting()  # made before memory is short


@asynccontextmanager
async def answering(
    app: web.Application, *sockets: socket.socket
) -> AsyncIterator[Draining]:
    """Answer on the sockets, which are closed at the end; finish what is being sent."""
    runner = web.AppRunner(app)
    await runner.setup()
    server = runner.server
    assert server is not None
    draining = Draining(server)

    store = None if aiohttp_private.MISSING else app[STORE]
    if reason := aiohttp_private.explain_missing():
        _log.warning("%s", reason)

    def connect() -> asyncio.Protocol:
        layouts, clients = app[LAYOUTS], app[CLIENTS]
        metrics, log = app[METRICS], app[ACCESS_LOG]
        try:
            made = Connection(server, store, layouts, clients, metrics, log)
            return draining.watch(made)
        except MemoryError:  # to raise would end uvloop's listening for good
            return _ABORTING

    try:
        async with _accepting(connect, sockets):
            yield draining
    finally:
        draining.begin()
        assert draining.began is not None
        await app.shutdown()
        await draining.finish(draining.began + ANSWER_SECONDS)
        await draining.break_off()
        await app.cleanup()


@asynccontextmanager
async def _accepting(
    connect: Callable[[], asyncio.Protocol], sockets: tuple[socket.socket, ...]
) -> AsyncIterator[None]:
    """Accept connections; at the end take those that wait in the queue, too."""
    servers: list[asyncio.AbstractServer] = []
    copies: list[socket.socket] = []
    try:
        for each in sockets:
            copies.append(each.dup())
            servers.append(await _start(connect, each))
        yield
    finally:
        for server in servers:
            server.close()
        for copy in copies:
            with copy:
                await _accept_rest(connect, copy)


async def _start(
    connect: Callable[[], asyncio.Protocol], listening: socket.socket
) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()
    if listening.family != socket.AF_UNIX:
        return await loop.create_server(connect, sock=listening, backlog=BACKLOG)
    kept: dict[str, Any] = {}
    if sys.version_info >= (3, 13):
        kept["cleanup_socket"] = False  # the file may be another server's by then
    return await loop.create_unix_server(
        connect, sock=listening, backlog=BACKLOG, **kept
    )


async def _accept_rest(
    connect: Callable[[], asyncio.Protocol], listening: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    until = monotonic() + HALF_OPEN_SECONDS  # others may listen on the same queue
    while monotonic() < until:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        with suppress(OSError):
            await loop.connect_accepted_socket(connect, accepted)
