"""What is shared, what is kept and what is not, over a real table."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from server.postgres.pool import Database, DatabaseAway
from server.reading import store as store_module
from server.reading.store import CHUNK_BYTES, First, Store, VideoChanged
from tests.breakable import breakable
from tests.conftest import execute, insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.model import Video
    from tests.conftest import Served

DATA = random.Random(12).randbytes(5 * CHUNK_BYTES + 100)
WHOLE = range(len(DATA))


@asynccontextmanager
async def stored(url: str, cache_bytes: int) -> AsyncIterator[Store]:
    database = Database(url)
    await database.open()
    try:
        yield Store(database, cache_bytes=cache_bytes, lanes=2)
    finally:
        await database.close()


async def find(store: Store, number: int) -> Video:
    video, _ = await store.find(number, 0, 0)
    assert video is not None
    return video


async def read(store: Store, video: Video, start: int, span: range = WHOLE) -> bytes:
    held = store.held(video, start)
    stop = min(start + CHUNK_BYTES, span.stop)
    if held is not None:
        return held
    return await asyncio.shield(store.read(video, start, stop))


async def test_one_read_serves_all_who_wait(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with stored(database_url, 1 << 20) as store:
        video = await find(store, number)
        chunks = await asyncio.gather(
            *(read(store, video, CHUNK_BYTES) for _ in range(50))
        )
        assert set(chunks) == {DATA[CHUNK_BYTES : 2 * CHUNK_BYTES]}
        assert store.reader.bytes_read == CHUNK_BYTES
        await read(store, video, CHUNK_BYTES)
        assert store.reader.bytes_read == CHUNK_BYTES


async def test_client_that_leaves_does_not_cancel_the_read(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with stored(database_url, 1 << 20) as store:
        video = await find(store, number)
        leaver = asyncio.create_task(read(store, video, 0))
        stayer = asyncio.create_task(read(store, video, 0))
        await asyncio.sleep(0)
        leaver.cancel()
        assert await stayer == DATA[:CHUNK_BYTES]


@pytest.mark.long
async def test_errors_are_not_kept(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with breakable(database_url) as proxy, stored(proxy.url, 1 << 20) as store:
        video = await find(store, number)
        proxy.stall()
        proxy.cut()
        with pytest.raises(DatabaseAway):
            await read(store, video, 0)
        proxy.resume()
        for _ in range(50):
            try:
                assert await read(store, video, 0) == DATA[:CHUNK_BYTES]
            except DatabaseAway:
                await asyncio.sleep(0.1)
            else:
                break
        assert store.held(video, 0) == DATA[:CHUNK_BYTES]


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
async def test_row_and_first_bytes_come_in_one_statement(
    database_url: str, cache_bytes: int
) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with stored(database_url, cache_bytes) as store:
        video, first = await store.find(number, CHUNK_BYTES + 7, 1000)
        assert video is not None
        assert first is not None
        span = range(CHUNK_BYTES + 7, CHUNK_BYTES + 1007)
        (start,) = store.starts(span)
        data = first.take(start, span)
        assert data is not None
        assert data == DATA[start : start + len(data)]
        assert first.take(start, span) is None
        assert store.recall(number, monotonic()) is video
        again, _ = await store.find(number, 0, 0)
        assert again is video


@pytest.mark.parametrize(
    ("start", "span", "taken"),
    [
        (5, range(5, 15), b"0123456789"),
        (5, range(5, 12), b"0123456789"),
        (5, range(5, 16), None),  # too short for what is needed
        (0, range(10), None),  # another chunk
    ],
)
def test_first_bytes_serve_the_chunk_they_are(
    start: int, span: range, taken: bytes | None
) -> None:
    assert First(5, b"0123456789").take(start, span) == taken


async def test_replaced_video_is_never_mixed(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with stored(database_url, 0) as store:
        video = await find(store, number)
        execute(
            database_url,
            f"DELETE FROM videos; INSERT INTO videos (id, filename, video_data, "
            f"created_at) VALUES ({number}, 'a.mp4', 'other', '2001-01-01')",
        )
        with pytest.raises(VideoChanged):
            await read(store, video, 0)


async def test_shorter_chunk_than_announced_is_a_change(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with stored(database_url, 0) as store:
        video = await find(store, number)
        with pytest.raises(VideoChanged):
            await read(store, video, len(DATA) - 5, range(len(DATA) + 10))


async def test_only_so_many_rows_are_remembered(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "KNOWN_MAX", 2)
    numbers = [insert_video(database_url, f"{n}.mp4", b"bytes") for n in range(3)]
    async with stored(database_url, 0) as store:
        for number in numbers:
            await find(store, number)
        assert store.recall(numbers[0], monotonic()) is None
        assert store.recall(numbers[2], monotonic()) is not None


@pytest.mark.long
async def test_deleted_video_is_gone_within_seconds(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    async with connect(served.port) as wire:
        _, body = await wire.get(f"/v3/videos/{number}")
        assert body == DATA
        execute(served.database_url, "DELETE FROM videos")
        began = asyncio.get_running_loop().time()
        while True:
            head, body = await wire.get(f"/v3/videos/{number}")
            if head.status == 404:
                break
            assert body == DATA
            assert asyncio.get_running_loop().time() - began < 5
            await asyncio.sleep(0.1)


RANGES = ["bytes=0-0", "bytes=100-70000", "bytes=-5", "bytes=65530-", "bytes=0-65535"]


@pytest.mark.parametrize("asked", RANGES)
async def test_without_a_cache_no_byte_more_is_read(
    uncached: Served, asked: str
) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    async with connect(uncached.port) as wire:
        head, body = await wire.get(f"/v3/videos/{number}", {"Range": asked})
    assert head.status == 206
    assert uncached.store.reader.bytes_read == len(body)
