"""The short way for what memory holds; it leans on private names of aiohttp."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from server import connection, hot
from tests.conftest import insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from server.store import Store
    from tests.conftest import Served

SIZE = 2 << 20
DATA = random.Random(16).randbytes(SIZE)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each request: was it answered at once?"""
    seen: list[bool] = []

    def answer(store: Store, message: RawRequestMessage) -> hot.Buffers | None:
        buffers = hot.answer_now(store, message)
        seen.append(buffers is not None)
        return buffers

    monkeypatch.setattr(connection, "answer_now", answer)
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


async def test_held_bytes_are_answered_at_once(
    served: Served, answered: list[bool]
) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    async with connect(served.port) as wire:
        _, body = await wire.get(target)
        assert body == DATA
        answered.clear()
        for headers in HOT:
            await wire.get(target, headers)
        assert answered == [True] * len(HOT)


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
