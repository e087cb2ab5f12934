"""Hostile requests over the wire: refused at once, in bounded memory, without a word.

The process of the tests is the server's, so its memory is measured from within.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from server.serving.clients import LIMITS, Clients
from server.serving.connection import Connection
from server.serving.malloc import measure_resident
from server.telemetry.metrics import Metrics
from tests.conftest import insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Served
    from tests.wire import Wire

pytestmark = pytest.mark.long

DATA = random.Random(31).randbytes(1 << 20)
HOST = b"Host: a\r\n"
POST = b"POST /v3/reviews HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
NOWHERE = b"POST /nowhere HTTP/1.1\r\nHost: a\r\n"
UPLOAD = b"POST /v3/admin/uploads?filename=a.mp4 HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(bytes(10_000_000))
CAPTIONS = b"PUT /v3/admin/videos/5/captions/pt-BR HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: 50000000\r\n\r\n"


async def expect(wire: Wire, status: int) -> None:
    """Read an error in its one shape, after which the server closes."""
    head = await wire.head()
    assert head.status == status
    assert head.headers.get("connection", "close") == "close"
    assert head.headers["content-type"] == "application/json; charset=utf-8"
    assert head.headers["cache-control"] == "no-store"
    assert list(json.loads(await wire.read(head.length))) == ["error"]


REFUSED = [
    (b"\x00", 400),
    (b"nonsense\r\n", 400),
    (b"GET /\r\n", 400),
    (b"GET / HTTP/1.1\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET /v3/videos/1 HTTP/1.1\r\nHost: a/b\r\nRange: bytes=0-1\r\n\r\n", 400),
    (b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (bytes(70_000), 400),
    (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"BREW /v3/videos/1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 12_000, 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 400),
    (POST + LENGTH, 413),
    (NOWHERE + LENGTH, 413),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + LENGTH, 413),
    (POST + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", 415),
    (NOWHERE + b"Content-Encoding: gzip\r\n" + CHUNKED, 415),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (POST + b"Expect: 200-maybe\r\nContent-Length: 9\r\n\r\n", 417),
    (POST + CHUNKED + b"5;" + b"x" * 2000, 400),
    (POST + CHUNKED + b"0" * 2000, 400),
    (POST + CHUNKED + b"1\r\nx\r\n" * 4000, 400),
    (POST + CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 2000, 400),
    (POST + CHUNKED + b"5\r\nhello, world\r\n", 400),
    (POST + CHUNKED + b"fffff\r\n", 413),
    (UPLOAD + LENGTH, 403),
    (CAPTIONS + LENGTH, 403),
]


@pytest.mark.parametrize(("request_", "status"), REFUSED)
async def test_what_breaks_a_bound_is_refused_at_once(
    served: Served, caplog: pytest.LogCaptureFixture, request_: bytes, status: int
) -> None:
    async with connect(served.port) as wire:
        await wire.send(request_)
        await expect(wire, status)
        assert await wire.rest() == b""
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "DELETE"])
async def test_method_that_a_route_lacks_is_not_allowed(
    served: Served, method: str
) -> None:
    async with connect(served.port) as wire:
        head = await wire.ask(method, "/v3/videos/1")
        assert (head.status, head.headers["allow"]) == (405, "GET,HEAD,OPTIONS")


async def test_head_of_a_refused_head_request_comes_alone(served: Served) -> None:
    async with connect(served.port) as wire:
        await wire.send(b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert (await wire.head()).status == 400
        assert await wire.rest() == b""


async def test_bodies_that_nobody_wants_do_not_end_a_connection(
    served: Served,
) -> None:
    bodies = [
        (b"Content-Length: 9\r\n\r\n123", b"456789"),
        (CHUNKED + b"9\r\n123", b"456789\r\n0\r\n\r\n"),
    ]
    async with connect(served.port) as wire:
        for head, status in (
            (NOWHERE, 404),
            (b"GET /healthz HTTP/1.1\r\n" + HOST, 200),
        ):
            for begin, rest in bodies:
                await wire.send(head + begin)
                await asyncio.sleep(0.02)
                await wire.send(rest)
                answer = await wire.head()
                await wire.read(answer.length)
                assert answer.status == status


async def test_requests_that_come_byte_by_byte_are_answered(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    get = (
        b"\r\nGET /v3/videos/%d HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\n\r\n"
        % number
    )
    async with connect(served.port) as wire:
        for byte in (
            get + NOWHERE + CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n" + get
        ):
            await wire.send(bytes([byte]))
            await asyncio.sleep(0)
        for status in (206, 404, 206):
            head = await wire.head()
            assert head.status == status
            body = await wire.read(head.length)
            assert status != 206 or body == DATA[:5]


async def test_too_much_sent_ahead_is_dropped(served: Served) -> None:
    async with connect(served.port) as wire:
        await wire.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000)
        head = await wire.head()
        assert head.status == 404
        await wire.read(head.length)
        answers = (await wire.rest()).count(b"HTTP/1.1 ")
        assert answers < 3000


FLOODS: Sequence[tuple[bytes, bytes]] = [
    (b"", bytes(65536)),
    (b"nonsense\r\n\r\n", bytes(65536)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 65536),
    (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 10_000),
    (POST + CHUNKED + b"5;", b"x" * 65536),
    (POST + CHUNKED, b"0" * 65536),
    (POST + CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
    (POST + CHUNKED, b"1\r\nx\r\n" * 10_000),
    (POST + LENGTH, b"x" * 65536),
    (NOWHERE + LENGTH, b"x" * 65536),
    (UPLOAD + LENGTH, b"x" * 65536),
    (POST + b"Content-Encoding: gzip\r\nContent-Length: 9800\r\n\r\n", PACKED),
    (b"", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 2000),
]


async def flood(port: int, head: bytes, block: bytes) -> None:
    """Send 4 MB without reading, as far as the server takes them."""
    with suppress(OSError, TimeoutError):
        async with connect(port) as wire, asyncio.timeout(3):
            await wire.send(head)
            for _ in range(4_000_000 // len(block)):
                await wire.send(block)


async def test_floods_take_no_memory_and_others_are_answered(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    before = peak = measure_resident()
    floods = [
        asyncio.create_task(flood(served.port, *each))
        for each in FLOODS
        for _ in "1234"
    ]
    async with connect(served.port) as wire:
        while not all(each.done() for each in floods):
            _, body = await wire.get(target, {"Range": "bytes=0-65535"})
            assert body == DATA[:65536]
            peak = max(peak, measure_resident())
    await asyncio.gather(*floods)
    assert peak - before < 128 << 20  # of which most is what the clients send
    assert "Traceback" not in caplog.text


async def test_connections_have_a_limit(database_url: str) -> None:
    limits = LIMITS._replace(clients=2)
    async with (
        serve_database(database_url, cache_bytes=0, limits=limits) as served,
        connect(served.port) as one,
    ):
        async with connect(served.port) as two:
            for wire in (one, two):
                assert (await wire.get("/healthz"))[0].status == 200
            async with connect(served.port) as three:
                head = await three.head()
                assert (head.status, head.headers["retry-after"]) == (503, "1")
            _, metrics = await one.get("/metrics")
            line = b'bytereel_connections_closed_total{reason="crowd"} 1.0'
            assert line in metrics
        await asyncio.sleep(0.1)
        async with connect(served.port) as four:
            assert (await four.get("/healthz"))[0].status == 200


async def test_requests_have_a_limit_but_health_is_told(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA * 20)
    limits = LIMITS._replace(requests=1)
    async with (
        serve_database(database_url, cache_bytes=0, limits=limits) as served,
        connect(served.port) as slow,
        connect(served.port) as other,
        connect(served.port) as short,
        connect(served.port) as probe,
    ):
        head = await slow.ask("GET", f"/v3/videos/{number}")
        assert head.status == 200
        line = f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\n".encode()
        await other.send(line + b"\r\n")
        await expect(other, 503)
        await short.send(line + b"Range: bytes=0-9\r\n\r\n")
        await expect(short, 503)
        assert (await probe.get("/healthz"))[0].status == 200
        _, metrics = await probe.get("/metrics")
        assert b'bytereel_connections_closed_total{reason="requests"} 2.0' in metrics
        assert b"bytereel_unavailable_total 0.0" in metrics, "PostgreSQL is well"
        await slow.read(head.length)
        await asyncio.sleep(0.1)
        head, _ = await probe.get(f"/v3/videos/{number}", {"Range": "bytes=0-1"})
        assert head.status == 206


def test_addresses_have_a_limit_but_proxies_have_none() -> None:
    from ipaddress import ip_network

    limits = LIMITS._replace(clients_per_address=2)
    metrics = Metrics([])
    clients = Clients(limits, [ip_network("192.0.2.0/24")], metrics)
    made: list[Connection] = []

    def admit(address: str) -> bool:
        made.append(object.__new__(Connection))
        return clients.admit(made[-1], (address, 1)) is None

    one, same = "2001:db8::1", "2001:db8::2"
    assert [admit(each) for each in (one, same, one)] == [True, True, False]
    clients.leave(made[0])
    assert admit(one)
    assert not admit(same)
    assert [admit("198.51.100.1") for _ in range(3)] == [True, True, False]
    assert not admit("::ffff:198.51.100.1")
    for many in ("192.0.2.7", "127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert all(admit(many) for _ in range(5))
    assert metrics.read()["closed", "address"] == 4
