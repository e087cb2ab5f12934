"""Answers end in time while the database is locked, far or slow."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from server.app import build_app
from server.reading.store import STORE
from server.serving.listen import answering, bind
from tests.breakable import breakable
from tests.conftest import insert_video
from tests.waiting import until
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.reading.store import Store
    from tests.wire import Head

DATA = random.Random(7).randbytes(400_000)
HANG_SECONDS = 20  # a hundred times what is allowed, so only a hang takes so long


@asynccontextmanager
async def serving(url: str, **settings: Any) -> AsyncIterator[tuple[int, Store]]:
    app = build_app(url, **settings)
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            yield listening.getsockname()[1], app[STORE]


async def get(port: int, video: int, first: int, last: int) -> tuple[Head, bytes]:
    async with asyncio.timeout(HANG_SECONDS), connect(port) as wire:
        asked = {"Range": f"bytes={first}-{last}"}
        return await wire.get(f"/v3/videos/{video}", asked)


@pytest.mark.parametrize("cache_bytes", [0, 16_000_000])
async def test_lock_on_videos_is_a_503_in_time_and_no_more(
    database_url: str, cache_bytes: int
) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with serving(database_url, cache_bytes=cache_bytes, answer_seconds=1.0) as (
        port,
        store,
    ):
        await get(port, number, 0, 9)  # so that the next take the short way
        with closing(psycopg2.connect(database_url)) as other:
            other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
            starts = range(70_000, 400_000, 5000)
            asked = [get(port, number, start, start + 999) for start in starts]
            locked = await asyncio.gather(*asked)
        assert {head.status for head, _ in locked} == {503}
        assert {head.headers["retry-after"] for head, _ in locked} == {"1"}
        head, body = await get(port, number, 70_000, 70_999)
        assert (head.status, body) == (206, DATA[70_000:71_000])
        assert store.database.counts.in_use == 0


@pytest.mark.long
async def test_database_far_away_serves_from_the_start(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with breakable(database_url) as proxy:
        proxy.delay = 0.25  # a round trip: more than one answer may wait for all
        async with serving(proxy.url, answer_seconds=1.0) as (port, store):
            statuses = []
            while 206 not in statuses:
                head, body = await get(port, number, 0, 99_999)
                statuses.append(head.status)
                assert len(statuses) < 30
            assert body == DATA[:100_000]
            assert set(statuses) <= {503, 206}
            assert store.database.counts.open > 0


@pytest.mark.long
async def test_what_comes_too_late_is_there_for_the_next(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with (
        breakable(database_url) as proxy,
        serving(proxy.url, answer_seconds=1.0) as (port, store),
    ):
        assert (await get(port, number, 0, 9))[0].status == 206
        proxy.delay = 1.5
        head, _ = await get(port, number, 200_000, 200_999)
        assert head.status == 503
        held = store.cache.held_bytes
        await until(lambda: store.cache.held_bytes > held)
        proxy.delay = 0.0
        misses = store.cache.misses
        head, body = await get(port, number, 200_000, 200_999)
        assert (head.status, body) == (206, DATA[200_000:201_000])
        assert store.cache.misses == misses
