"""Listen, answer until told to stop, finish what is being sent."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from server.errors import ERROR_HEADERS, Fault, render_error

KEEPALIVE_SECONDS = 960  # an edge reuses connections for up to 900 s; it must close
SHUTDOWN_SECONDS = 10  # what is being sent may take this long after SIGTERM
BACKLOG = 1024
UNSENT_BYTES = 128 * 1024  # what the kernel may hold of an answer before it sends it
PORTS_TRIED = 100
BAD_REQUEST = "Bad request: this is no HTTP/1.1 (RFC 9112), or a header is too long."


class Connection(web.RequestHandler):
    """aiohttp's connection, with the one shape of errors for what is no HTTP."""

    __slots__ = ()

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


def bind(host: str, port: int, *, search: bool = False) -> socket.socket:
    """Return a listening socket; with search, on the next free port if need be.

    Raises Fault when the address can't be had.
    """
    for tried in range(port, min(port + PORTS_TRIED, 65536) if search else port + 1):
        try:
            listening = socket.create_server(
                (host, tried),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=BACKLOG,
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Fault(
                    f"Can't listen on {host}:{tried} ({error.strerror}): "
                    "choose another --host or --port."
                ) from error
        else:
            # A player leaves most answers half-way; what it did not take was read for
            # nothing. Each accepted connection inherits this.
            listening.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES
            )
            return listening
    raise Fault(f"Port {port} of {host} is taken: choose another --port, or 0.")


def address(listening: socket.socket) -> str:
    """Return the URL a person types for it."""
    host, port = listening.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


async def serve(
    app: web.Application, listening: socket.socket, ready: Callable[[], None]
) -> None:
    """Answer on the socket until SIGINT or SIGTERM; ready is called when it does."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with answering(app, listening):
        ready()
        await stop.wait()


@asynccontextmanager
async def answering(
    app: web.Application, listening: socket.socket
) -> AsyncIterator[None]:
    """Answer on the socket; at the end finish what is being sent."""
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()

    def connect() -> Connection:
        assert runner.server is not None
        return Connection(
            runner.server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type] # as AppRunner passes it on
        )

    try:
        server = await loop.create_server(connect, sock=listening, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
