"""Listen, answer until told to stop, finish what is being sent."""

import asyncio
import errno
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from server.errors import Fault
from server.reading.store import STORE
from server.serving import aiohttp_private
from server.serving.clients import CLIENTS
from server.serving.connection import Connection
from server.serving.malloc import tuned_memory
from server.telemetry.access_log import ACCESS_LOG
from server.telemetry.metrics import METRICS

SHUTDOWN_SECONDS = 10  # what is being sent may take this long after SIGTERM
BACKLOG = 1024
PORTS_TRIED = 100

_log = logging.getLogger(__name__)


def bind(host: str, port: int, *, search: bool = False) -> socket.socket:
    """Return a listening socket; with search, on the next free port if need be.

    Raises Fault when the address can't be had.
    """
    for tried in range(port, min(port + PORTS_TRIED, 65536) if search else port + 1):
        try:
            return _listen(host, tried)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Fault(
                    f"cannot listen on {host}:{tried} ({error.strerror}): "
                    "choose another --host or --port"
                ) from error
    raise Fault(f"port {port} of {host} is taken: choose another --port, or 0")


def _listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    return socket.create_server(
        (host, port),
        family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        backlog=BACKLOG,
        reuse_port=shared,
    )


def share(listening: socket.socket, count: int) -> list[socket.socket]:
    """Return count listening sockets of one port; the kernel spreads connections.

    The first was bound without SO_REUSEPORT, so two servers can't share by mistake;
    on one socket for all the worker that wakes first would take most (socket(7)).
    """
    host, port = listening.getsockname()[:2]
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [listening, *(_listen(host, port, shared=True) for _ in range(count - 1))]


def address(listening: socket.socket) -> str:
    """Return the URL a person types for it."""
    host, port = listening.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


async def serve(
    app: web.Application, listening: socket.socket, ready: Callable[[], None]
) -> None:
    """Answer on the socket until SIGINT or SIGTERM; call ready once it answers."""
    allow_connections()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with answering(app, listening), tuned_memory(app[STORE]):
        ready()
        await stop.wait()


def allow_connections() -> None:
    """Raise the limit of open files, beyond which clients would be refused."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems have another limit besides
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@asynccontextmanager
async def answering(
    app: web.Application, listening: socket.socket
) -> AsyncIterator[None]:
    """Answer on the socket; at the end finish what is being sent."""
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()

    store = None if aiohttp_private.MISSING else app[STORE]
    if reason := aiohttp_private.explain_missing():
        _log.warning("%s", reason)

    def connect() -> Connection:
        assert runner.server is not None
        clients, metrics, log = app[CLIENTS], app[METRICS], app[ACCESS_LOG]
        return Connection(runner.server, store, clients, metrics, log)

    try:
        server = await loop.create_server(connect, sock=listening, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
    finally:
        until = loop.time() + SHUTDOWN_SECONDS
        connections = runner.server.connections if runner.server else []
        lost = [each.lost for each in connections if isinstance(each, Connection)]
        await runner.cleanup()
        if lost:  # aiohttp leaves what is still in the buffers to the loop
            await asyncio.wait(lost, timeout=max(until - loop.time(), 0))
