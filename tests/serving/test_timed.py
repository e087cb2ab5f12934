"""Clients that are slow or do nothing, with limits of less than a second."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from server.serving.clients import LIMITS
from tests.conftest import insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Served
    from tests.wire import Wire

DATA = random.Random(32).randbytes(24 << 20)
POST = (
    b"POST /v3/reviews HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n"
)
GET = b"GET /healthz HTTP/1.1\r\n"


@pytest_asyncio.fixture
async def strict(database_url: str) -> AsyncIterator[Served]:
    """Yield a server with little patience."""
    limits = LIMITS._replace(head_seconds=0.4, stall_seconds=0.6)
    async with serve_database(
        database_url, cache_bytes=1_000_000, limits=limits
    ) as served:
        yield served


async def count_closed(served: Served, reason: str) -> float:
    async with connect(served.port) as wire:
        _, metrics = await wire.get("/metrics")
    (line,) = (
        line
        for line in metrics.decode().splitlines()
        if line.startswith(f'bytereel_connections_closed_total{{reason="{reason}"}}')
    )
    return float(line.split()[1])


async def drip(wire: Wire, data: bytes) -> None:
    """Send a byte ten times a second until the server has had enough."""
    while True:
        await wire.send(data)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("begin", "more", "reason"),
    [
        (b"", b"", "head"),
        (b"GET /hea", b"", "head"),
        (GET + b"Host: a\r\n", b"", "head"),
        (GET, b"X: y\r\n", "head"),
        (POST + b"half", b"", "body"),
        (POST, b"x", "body"),
    ],
)
async def test_slow_requests_are_ended(
    strict: Served,
    caplog: pytest.LogCaptureFixture,
    begin: bytes,
    more: bytes,
    reason: str,
) -> None:
    async with connect(strict.port) as wire:
        await wire.send(begin)
        dripping = asyncio.create_task(drip(wire, more)) if more else None
        answer = await wire.rest()
        if dripping:
            dripping.cancel()
            await asyncio.wait([dripping])
    assert answer[:13] == (b"HTTP/1.1 408 " if begin else b"")
    assert await count_closed(strict, reason) == 1
    assert "Traceback" not in caplog.text


@pytest.mark.long
async def test_kept_connection_has_more_time_than_a_new_one(strict: Served) -> None:
    async with connect(strict.port) as wire:
        for _ in range(3):
            assert (await wire.get("/healthz"))[0].status == 200
            await asyncio.sleep(0.8)
        await wire.send(GET)
        assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.long
async def test_download_that_nobody_takes_is_cut_off(strict: Served) -> None:
    number = insert_video(strict.database_url, "a.mp4", DATA)
    async with connect(strict.port) as wire:
        head = await wire.ask("GET", f"/v3/videos/{number}")
        assert head.status == 200
        for _ in range(200):
            if await count_closed(strict, "stalled"):
                break
            await asyncio.sleep(0.1)
        assert await count_closed(strict, "stalled") == 1
    assert strict.store.stalled == 0


@pytest.mark.long
async def test_slow_reader_is_not_cut_off(strict: Served) -> None:
    number = insert_video(strict.database_url, "a.mp4", DATA)
    got = 0
    async with connect(strict.port) as wire:
        head = await wire.ask("GET", f"/v3/videos/{number}")
        for _ in range(20):
            got += len(await wire.read(500_000))
            await asyncio.sleep(0.1)
        got += len(await wire.read(head.length - got))
    assert got == len(DATA)
    assert await count_closed(strict, "stalled") == 0


async def test_body_that_comes_fast_enough_is_waited_for(strict: Served) -> None:
    async with connect(strict.port) as wire:
        await wire.send(POST.replace(b"100", b"2000"))
        for _ in range(20):
            await wire.send(b"x" * 100)
            await asyncio.sleep(0.05)
        assert (await wire.head()).status == 400
    assert await count_closed(strict, "body") == 0
