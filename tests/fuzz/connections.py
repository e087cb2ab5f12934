"""A whole connection, with the short way and without: the same bytes must go out."""

from __future__ import annotations

import asyncio
import logging
import re
from functools import cache
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.api.health import get_health
from server.api.troubles import TROUBLES, Troubles
from server.app import answer_errors, build_metrics
from server.hls.layouts import LAYOUTS, Layouts
from server.model import Video
from server.postgres.pool import DatabaseAway
from server.practice.tally import Tally
from server.practice.view_counts import TALLY, VIEWS
from server.practice.views import post_views
from server.reading.store import CHUNK_BYTES, STORE, Store
from server.routes import ROUTES
from server.serving.clients import LIMITS, Clients
from server.serving.connection import Connection
from server.telemetry.access_log import ACCESS_LOG, AccessLog
from server.telemetry.metrics import METRICS
from server.telemetry.publishing import measure
from server.video.pacing import PACER, Pacer
from server.video.watch import WATCH
from tests.fuzz import heads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.telemetry.metrics import Metrics

WORDS = [
    *heads.WORDS,
    *(b"\xff", b"GET /v3/videos/7 HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD ", b"POST "),
    *(b"/healthz", b"/v3/videos/8", b" HTTP/1.0\r\n", b" HTTP/2.0\r\n", b"OPTIONS * "),
    *(b"/v3/videos/7/hls1.m3u8", b"/v3/videos/7/master.m3u8"),
    *(b"http://a:b/", b"?viewer=", b"%00", b"//", b"5\r\nhello\r\n", b"0\r\n\r\n"),
    *(b"POST /v3/views HTTP/1.1\r\nHost: a\r\n", b"Content-Type: application/json\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n", b"charset=x"),
    *(b'{"views":[{"video_id":7,"reached":"half"}]}', b"Content-Length: 43\r\n\r\n"),
    *(b"CONNECT a:1 ", b"Content-Length: 5\r\n\r\nhello", b"Range: bytes=0-1,4-5\r\n"),
]

SIZE = 3000
_CUT = b"\xff"  # where the stream is cut into what comes at once
_PIECES = 20
_TURNS = 12  # of the loop, in which all is done that needs no database
_DATE = re.compile(rb"\r\nDate: [^\r]*")
_VIDEO = Video(7, "a.mp4", "video/mp4", SIZE, 1_700_000_000)


class NoDatabase:
    """PostgreSQL is away."""

    answer_seconds = 15.0

    async def fetch_binary(self, query: str, values: object) -> list[object]:
        """Refuse."""
        await asyncio.sleep(0)
        raise DatabaseAway("there is none")


class Wire(asyncio.Transport):
    """Takes what is written, as a client does that keeps up."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.sent, self.closed = bytearray(), False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.sent += data

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(pieces))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.closed = True  # as the client then closes

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Wait for nothing."""

    def pause_reading(self) -> None:
        """Wait for nothing."""

    def resume_reading(self) -> None:
        """Wait for nothing."""

    def get_write_buffer_size(self) -> int:
        return 0


class Complaints(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Stand(NamedTuple):
    """What connections are made of."""

    loop: asyncio.AbstractEventLoop
    server: web.Server
    store: Store
    layouts: Layouts
    metrics: Metrics
    complaints: Complaints


@cache
def build_stand() -> Stand:
    """Return a server of videos, of which one is in memory."""
    loop = asyncio.new_event_loop()
    complaints = Complaints()
    for name in ("aiohttp.server", "aiohttp.web", "asyncio", "server"):
        logging.getLogger(name).addHandler(complaints)
        logging.getLogger(name).propagate = False
    app = web.Application(middlewares=[measure, answer_errors])
    app[METRICS], app[ACCESS_LOG] = build_metrics(), AccessLog("none", ())
    app[PACER], app[WATCH], app[TROUBLES] = Pacer(0), None, Troubles()
    store = Store(NoDatabase(), cache_bytes=1_000_000, lanes=1)  # type: ignore[arg-type]
    app[STORE], app[TALLY], app[LAYOUTS] = store, Tally(VIEWS), Layouts()
    app.add_routes([each for each in ROUTES if each.path.startswith("/v3/videos")])
    app.router.add_get("/healthz", get_health)
    app.router.add_post("/v3/views", post_views)
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    assert runner.server is not None
    parts = runner.server, store, app[LAYOUTS], app[METRICS], complaints
    return Stand(loop, *parts)


def fuzz_connection(data: bytes) -> None:
    """Send a stream to both kinds of connection, and compare what they answer."""
    stand = build_stand()
    pieces = data.split(_CUT, _PIECES)
    content = Random(7).randbytes(SIZE)
    answers = []
    for store in (stand.store, None):
        stand.store._remember(_VIDEO)
        stand.store.cache.put((_VIDEO, 0), content[:CHUNK_BYTES])
        answers.append(stand.loop.run_until_complete(converse(stand, store, pieces)))
    short, long = answers
    assert short == long, f"\nshort {short!r}\nlong  {long!r}"
    assert not re.search(rb"^HTTP/1\.1 50[^135]", short[0], re.MULTILINE), short
    complaints, stand.complaints.found = stand.complaints.found, []
    assert not complaints, complaints


async def converse(
    stand: Stand, store: Store | None, pieces: Iterable[bytes]
) -> tuple[bytes, bool]:
    """Return what a connection answers, without dates, and whether it closes."""
    log = AccessLog("none", ())
    clients = Clients(LIMITS, (), stand.metrics)
    parts = stand.server, store, stand.layouts, clients, stand.metrics, log
    connection = Connection(*parts)
    wire = Wire()
    connection.connection_made(wire)
    await settle()
    for piece in pieces:
        if piece and not wire.closed:
            connection.data_received(piece)
            await settle()
    told = _DATE.sub(b"", bytes(wire.sent)), wire.closed
    connection.connection_lost(None)
    await settle()
    return told


async def settle() -> None:
    """Let all be done that can be."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
