"""The short way for short answers; it leans on private names of aiohttp."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from server import connection
from tests.breakable import breakable
from tests.conftest import execute, insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from server.hot import Message
    from tests.conftest import Served

SIZE = 2 << 20
DATA = random.Random(16).randbytes(SIZE)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each request: was it taken from aiohttp?"""
    seen: list[bool] = []

    def take(self: connection.Connection, message: Message) -> bool:
        taken = original(self, message)
        seen.append(taken)
        return taken

    original = connection.Connection.take
    monkeypatch.setattr(connection.Connection, "take", take)
    return seen


HOT = [
    {"Range": "bytes=0-65535"},
    {"Range": "bytes=1000-200000"},
    {"Range": "bytes=-70000"},
    {"Range": "bytes=0-9,100000-100009"},
    {"Range": f"bytes={SIZE}-"},
    {"If-None-Match": "*"},
    {"If-Match": '"other"'},
]
COLD = [
    {},
    {"Range": "bytes=0-"},
    {"Range": "bytes=0-1", "Connection": "close"},
    {"Range": "bytes=0-1", "Expect": "100-continue"},
]


@pytest.mark.parametrize("cache_bytes", [64_000_000, 0])
async def test_short_answers_take_the_short_way(
    database_url: str, answered: list[bool], cache_bytes: int
) -> None:
    async with serve_database(database_url, cache_bytes=cache_bytes) as served:
        target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
        async with connect(served.port) as wire:
            _, body = await wire.get(target)
            assert body == DATA
            answered.clear()
            for headers in HOT:
                await wire.get(target, headers)
            assert answered == [True] * len(HOT)


async def test_bytes_are_those_of_the_ranges(served: Served, uncached: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    dice = random.Random(17)
    for port in (served.port, uncached.port):
        async with connect(port) as wire:
            for _ in range(100):
                first = dice.randrange(SIZE)
                last = first + dice.randrange(330_000)
                asked = {"Range": f"bytes={first}-{last}"}
                _, body = await wire.get(f"/v3/videos/{number}", asked)
                assert body == DATA[first : last + 1]


async def test_requests_sent_ahead_are_answered_in_order(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    firsts = range(0, 1_000_000, 10_000)
    asked = [
        f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\n"
        f"Range: bytes={first}-{first + 9_999}\r\n\r\n"
        for first in firsts
    ]
    async with connect(uncached.port) as wire:
        await wire.get(f"/v3/videos/{number}", {"Range": "bytes=0-9"})
        for request in asked[:50]:
            await wire.send(request.encode())
            await asyncio.sleep(0)
        await wire.send("".join(asked[50:]).encode())
        for first in firsts:
            head = await wire.head()
            assert await wire.read(head.length) == DATA[first : first + 10_000]


async def test_deleted_video_is_not_found_by_the_short_way(
    uncached: Served, answered: list[bool]
) -> None:
    target = f"/v3/videos/{insert_video(uncached.database_url, 'a.mp4', DATA)}"
    async with connect(uncached.port) as wire:
        await wire.get(target, {"Range": "bytes=0-9"})
        execute(uncached.database_url, "DELETE FROM videos")
        head, _ = await wire.get(target, {"Range": "bytes=0-9"})
        assert (head.status, answered[-1]) == (404, True)
        head, _ = await wire.get(target, {"Range": "bytes=0-9"})
        assert head.status == 404


async def test_server_that_stops_answers_what_it_reads_for(
    database_url: str, answered: list[bool]
) -> None:
    target = f"/v3/videos/{insert_video(database_url, 'a.mp4', DATA)}"
    tail = {"Range": "bytes=-9"}
    async with breakable(database_url) as proxy:
        server = serve_database(proxy.url, cache_bytes=0)
        port = (await server.__aenter__()).port
        async with connect(port) as wire, connect(port) as leaver:
            await leaver.get(target, tail)
            proxy.stall()
            left = asyncio.create_task(leaver.get(target, tail))
            asked = asyncio.create_task(wire.get(target, tail))
            async with asyncio.timeout(20):
                while len(answered) < 3:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0)
            left.cancel()
            leaver.abort()
            stopping = asyncio.create_task(server.__aexit__(None, None, None))
            await asyncio.sleep(0.1)
            proxy.resume()
            _, body = await asked
            await stopping
    assert (body, answered) == (DATA[-9:], [False, True, True])


async def test_short_way_is_closed_while_many_clients_stall(
    uncached: Served, answered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"/v3/videos/{insert_video(uncached.database_url, 'a.mp4', DATA)}"
    async with connect(uncached.port) as wire:
        await wire.get(target, {"Range": "bytes=0-9"})
        monkeypatch.setattr(uncached.store, "stalled", connection.STALLED_MAX + 1)
        await wire.get(target, {"Range": "bytes=0-9"})
        monkeypatch.setattr(uncached.store, "stalled", 0)
        await wire.get(target, {"Range": "bytes=0-9"})
        assert answered == [False, False, True]


@pytest.mark.parametrize("headers", HOT)
async def test_both_ways_give_the_same_answer(
    served: Served, uncached: Served, headers: dict[str, str]
) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    answers = []
    for port in (served.port, uncached.port):
        async with connect(port) as wire:
            await wire.get(f"/v3/videos/{number}")
            head, body = await wire.get(f"/v3/videos/{number}", headers)
            del head.headers["date"]
            answers.append((head, body))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("headers", COLD)
async def test_other_requests_take_the_long_way(
    served: Served, answered: list[bool], headers: dict[str, str]
) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    async with connect(served.port) as wire:
        await wire.get(target)
        answered.clear()
        head = await wire.ask("GET", target, headers)
        if head.status == 100:
            head = await wire.head()
        assert await wire.read(head.length) == DATA[: head.length]
    assert not any(answered)


async def test_idle_connection_is_closed_in_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    async with connect(served.port) as wire:
        await wire.get(target)
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 0.3)
    async with connect(served.port) as wire:
        for _ in range(4):
            _, body = await wire.get(target, {"Range": "bytes=0-9"})
            assert body == DATA[:10]
        assert await wire.rest() == b""
