"""Batched reads against a real table, and against a view that is slow or fails."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.postgres.pool import Database, DatabaseAway, StatementTimeout
from server.reading import batches as reads
from server.reading.batches import BATCH_BYTES, Reader, VideoSlice
from server.reading.store import CHUNK_BYTES, Store
from tests.breakable import breakable
from tests.conftest import execute, insert_video

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from server.postgres.libpq import Row

DATA = random.Random(11).randbytes(3_000_000)
KIB = 1024


class Watched(Database):
    """Remembers which videos travelled together."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(url, connections=4, **settings)
        self.batches: list[list[int]] = []
        self.lacks_memory = False

    async def fetch_binary(self, query: str, values: Mapping[str, Any]) -> list[Row]:
        self.batches.append(list(values["ids"]))
        if self.lacks_memory:
            raise MemoryError
        return await super().fetch_binary(query, values)


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[Watched]:
    database = Watched(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def bytes_of(found: VideoSlice | None) -> bytes:
    assert found is not None
    return found.data


async def test_reads_that_wait_travel_together(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "SLOW_SECONDS", 60)
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        reader = Reader(database, lanes=1)
        starts = range(39 * 64 * KIB, -1, -64 * KIB)
        found = await asyncio.gather(
            *(reader.read(number, start, 64 * KIB) for start in starts)
        )
    assert b"".join(map(bytes_of, found[::-1])) == DATA[: 40 * 64 * KIB]
    assert [len(batch) for batch in database.batches] == [16, 16, 8]
    assert reader.bytes_read == 40 * 64 * KIB


async def test_bytes_behind_each_other_come_in_one_row(database_url: str) -> None:
    numbers = [insert_video(database_url, name, DATA) for name in ("a.mp4", "b.mp4")]
    size = len(DATA)
    wanted = [
        *((numbers[0], start, 50_000) for start in range(0, 300_000, 50_000)),
        *((numbers[1], 300_000, 10), (numbers[1], 311_000, 10)),
        *((numbers[1], -20, 10), (numbers[1], size - 10, 10)),
        *(
            (numbers[0], size - 15, 10),
            (numbers[0], size - 5, 10),
            (numbers[0], size + 5, 9),
        ),
        *((2**31 - 1, 0, 10), (2**31 - 1, 10, 10)),
    ]
    async with watched(database_url) as database:
        reader = Reader(database, lanes=1)
        found = await asyncio.gather(*(reader.read(*one) for one in wanted))
    assert [one and one.data for one in found] == [
        None if number > max(numbers) else DATA[start:][:length]
        for number, start, length in wanted
    ]
    a, b = numbers
    assert database.batches == [[a, b, b, b, b, a, 2**31 - 1]]


async def test_lone_read_goes_alone_and_knows_the_video(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        found = await Reader(database, lanes=1).read(number, 10, 20)
        assert found is not None
        assert found.data == DATA[10:30]
        assert found.video[:4] == (number, "a.mp4", "video/mp4", len(DATA))
    assert database.batches == [[number]]


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 0, b""),
        (-10, 10, DATA[-10:]),
        (-10, 4, DATA[-10:-6]),
        (-9_000_000, 10, DATA[:10]),
        (2_999_990, 64 * KIB, DATA[-10:]),
        (3_000_000, 10, b""),
        (2**31 - 2, 2**31 - 2, b""),
        (5, 2**31 - 2, DATA[5:]),
    ],
)
async def test_read_ends_where_the_video_does(
    database_url: str, start: int, length: int, expected: bytes
) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        found = await Reader(database, lanes=1).read(number, start, length)
    assert bytes_of(found) == expected


async def test_missing_video_is_none_among_others(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        reader = Reader(database, lanes=1)
        wanted = (number, 99, number, 2**31 - 1)
        found = await asyncio.gather(*(reader.read(n, 0, 5) for n in wanted))
    assert [one and one.data for one in found] == [DATA[:5], None, DATA[:5], None]


async def test_large_reads_do_not_share(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        reader = Reader(database, lanes=1)
        both = (reader.read(number, 0, BATCH_BYTES), reader.read(number, 0, 1))
        await asyncio.gather(*both)
    assert database.batches == [[number], [number]]


async def test_read_nobody_waits_for_is_left_out(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        reader = Reader(database, lanes=1)
        unwanted, wanted = reader.read(99, 0, 5), reader.read(number, 0, 5)
        unwanted.cancel()
        assert bytes_of(await wanted) == DATA[:5]
    assert database.batches == [[number]]


@pytest.fixture
def odd_url(empty_url: str) -> str:
    """Return a database whose video 2 can't be read and whose video 3 is slow."""
    execute(
        empty_url,
        """
        CREATE TABLE stored (id integer PRIMARY KEY, body bytea);
        INSERT INTO stored SELECT n, convert_to('video ' || n, 'UTF8')
          FROM generate_series(1, 20) AS n;
        CREATE FUNCTION fetched(number integer, body bytea) RETURNS bytea AS $$
        BEGIN
            IF number = 2 THEN RAISE EXCEPTION 'disk trouble'; END IF;
            IF number = 3 THEN PERFORM pg_sleep(3); END IF;
            RETURN body;
        END $$ LANGUAGE plpgsql STABLE STRICT;
        CREATE VIEW videos AS
        SELECT id, 'a' AS filename, 'video/mp4' AS mime_type,
               fetched(id, body) AS video_data, now() AS created_at
          FROM stored;
        """,
    )
    return empty_url


async def test_failing_read_does_not_harm_its_batch(odd_url: str) -> None:
    async with watched(odd_url) as database:
        reader = Reader(database, lanes=1)
        found = await asyncio.gather(
            *(reader.read(number, 0, 20) for number in (1, 2, 4)),
            return_exceptions=True,
        )
    assert isinstance(found[1], psycopg2.Error)
    for number, one in ((1, found[0]), (4, found[2])):
        assert isinstance(one, VideoSlice)
        assert one.data == f"video {number}".encode()


async def test_failing_read_is_avoided_by_the_next_batches(
    odd_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "SLOW_SECONDS", 60)
    async with watched(odd_url) as database:
        reader = Reader(database, lanes=1)
        for _ in range(2):
            database.batches.clear()
            await asyncio.gather(
                *(reader.read(number, 0, 20) for number in (1, 2, 4, 5)),
                return_exceptions=True,
            )
        assert database.batches == [[1], [2], [4, 5]]


@pytest.mark.long
async def test_timeout_of_a_batch_is_not_waited_for_again(odd_url: str) -> None:
    database = Watched(odd_url, statement_seconds=1.0)
    await database.open()
    reader = Reader(database, lanes=1)
    reads = [reader.read(number, 0, 20) for number in (1, 3, 4)]
    found = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(one) for one in found] == [StatementTimeout] * 3
    assert database.batches == [[1, 3, 4]]
    found = await asyncio.gather(
        *(reader.read(number, 0, 20) for number in (1, 3, 4)), return_exceptions=True
    )
    await database.close()
    assert [type(one) for one in found] == [VideoSlice, StatementTimeout, VideoSlice]


async def test_timeout_among_single_reads_ends_them_all(odd_url: str) -> None:
    database = Watched(odd_url, statement_seconds=1.0)
    await database.open()
    reader = Reader(database, lanes=1)
    reads = [reader.read(number, 0, 20) for number in (1, 2, 3, 4)]
    found = await asyncio.gather(*reads, return_exceptions=True)
    await database.close()
    assert isinstance(found[1], psycopg2.Error)
    failed = [type(one) for one in (found[0], *found[2:])]
    assert failed == [VideoSlice, StatementTimeout, StatementTimeout]


async def test_lack_of_memory_reaches_all_who_wait(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with watched(database_url) as database:
        store = Store(database, cache_bytes=1_000_000, lanes=1)
        video, _ = await store.find(number, 0, 0)
        assert video is not None
        database.lacks_memory = True
        chunks = [store.read(video, start * CHUNK_BYTES, 0) for start in range(20)]
        found = await asyncio.gather(*chunks, return_exceptions=True)
        assert {type(one) for one in found} == {MemoryError}
        database.lacks_memory = False
        chunks = [store.read(video, start * CHUNK_BYTES, 0) for start in range(20)]
        assert b"".join(await asyncio.gather(*chunks)) == DATA[: 20 * CHUNK_BYTES]


@pytest.mark.long
async def test_slow_read_is_avoided_by_the_next_batches(
    odd_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "APART_MAX", 2)
    monkeypatch.setattr(reads, "SLOW_SECONDS", 1.5)
    async with watched(odd_url) as database:
        reader = Reader(database, lanes=2)
        await asyncio.gather(*(reader.read(number, 0, 20) for number in (1, 3)))
        await asyncio.gather(*(reader.read(number, 0, 20) for number in (4, 3, 5)))
        assert [3] in database.batches
        assert not any(3 in each and len(each) > 1 for each in database.batches[1:])
        quick = database.batches[-1]
        await reader.read(1, 0, 20)  # alone it proves quick
        database.batches.clear()
        await asyncio.gather(*(reader.read(number, 0, 20) for number in (1, 4)))
        assert database.batches == [[1, 4]]
        assert quick


@pytest.mark.long
async def test_slow_reads_leave_their_lanes_to_others(odd_url: str) -> None:
    async with watched(odd_url) as database:
        reader = Reader(database, lanes=2)
        slow = [reader.read(3, 0, 20)]
        await asyncio.sleep(0)
        slow.append(reader.read(3, 0, 20))
        await asyncio.sleep(0)
        assert bytes_of(await reader.read(4, 0, 20)) == b"video 4"
        assert not any(read.done() for read in slow)
        await asyncio.gather(*slow)
        database.batches.clear()
        await asyncio.gather(*(reader.read(number, 0, 20) for number in range(4, 20)))
        assert len(database.batches) <= 2  # and there are two lanes again


async def test_database_away_is_told_to_all(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with breakable(database_url) as proxy, watched(proxy.url) as database:
        await proxy.refuse()
        reader = Reader(database, lanes=1)
        answers = await asyncio.gather(
            *(reader.read(number, 0, 5) for _ in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [DatabaseAway] * 3


async def test_stop_of_the_server_cancels_what_waits(odd_url: str) -> None:
    async with watched(odd_url) as database:
        reader = Reader(database, lanes=1)
        answer = reader.read(3, 0, 20)
        await asyncio.sleep(0.1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
