"""What a short answer is gathered from: memory, what came with the row, and reads."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from server.reading.ahead import GROUP
from server.reading.store import CHUNK_BYTES, First
from server.video.gather import gather
from server.video.plan import Plan
from tests.conftest import insert_video, serve_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.reading.store import Store
    from tests.conftest import Served

SIZE = 10 * CHUNK_BYTES
DATA = random.Random(21).randbytes(SIZE)


async def fetch(store: Store, video_id: int, body: Sequence[bytes | range]) -> bytes:
    """Return the body as it is gathered."""
    video, first = await store.find(video_id, 0, 0)
    gathered = gather(store, video, Plan(206, {}, body), b"head", first)
    assert gathered is not None
    await asyncio.gather(*(pending.chunk for pending in gathered.pending))
    head, *rest = gathered.complete()
    assert head == b"head"
    return b"".join(rest)


@pytest.mark.parametrize("cache_bytes", [64_000_000, 0])
@pytest.mark.parametrize(
    "body",
    [
        [],
        [b"error"],
        [range(0)],
        [range(10)],
        [range(CHUNK_BYTES - 1, CHUNK_BYTES + 1)],
        [range(5, GROUP * CHUNK_BYTES - 5)],
        [b"a", range(7, 9), b"b", range(CHUNK_BYTES, 2 * CHUNK_BYTES), b"c"],
    ],
)
async def test_bytes_are_those_of_the_plan(
    database_url: str, cache_bytes: int, body: list[bytes | range]
) -> None:
    async with serve_database(database_url, cache_bytes=cache_bytes) as served:
        number = insert_video(served.database_url, "a.mp4", DATA)
        expected = b"".join(
            piece if isinstance(piece, bytes) else DATA[piece.start : piece.stop]
            for piece in body
        )
        for _ in range(2):  # read, then from memory
            assert await fetch(served.store, number, body) == expected


@pytest.mark.parametrize("known", [0, 1])
async def test_what_came_with_the_row_is_not_read_again(
    uncached: Served, known: int
) -> None:
    store = uncached.store
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    video, _ = await store.find(number, 0, 0)
    first = First(5, DATA[5 : 5 + CHUNK_BYTES]) if known else None
    before = store.reader.bytes_read
    plan = Plan(206, {}, [range(5, 2 * CHUNK_BYTES)])
    gathered = gather(store, video, plan, b"", first)
    assert gathered is not None
    await asyncio.gather(*(pending.chunk for pending in gathered.pending))
    assert b"".join(gathered.complete()) == DATA[5 : 2 * CHUNK_BYTES]
    read = store.reader.bytes_read - before
    assert read == 2 * CHUNK_BYTES - 5 - known * CHUNK_BYTES


@pytest.mark.parametrize(
    "body",
    [
        [range(GROUP * CHUNK_BYTES + 1)],
        [range(at, at + 2) for at in range(0, SIZE, CHUNK_BYTES)],
    ],
)
async def test_long_answer_is_refused_and_nothing_read(
    served: Served, body: list[range]
) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    video, first = await served.store.find(number, 0, 0)
    before = served.store.reader.bytes_read
    assert gather(served.store, video, Plan(206, {}, body), b"", first) is None
    await asyncio.sleep(0.05)
    assert served.store.reader.bytes_read == before


async def test_pieces_in_one_chunk_count_as_that(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    spans = [range(at, at + 2) for at in range(0, 2 * CHUNK_BYTES, 1000)]
    expected = b"".join(DATA[span.start : span.stop] for span in spans)
    for _ in range(2):
        assert await fetch(served.store, number, spans) == expected


async def test_spread_ranges_are_gathered(served: Served) -> None:
    def spread(span: range) -> list[bytes | range]:
        return [b"head", range(100, 100 + len(span) - 4)]

    number = insert_video(served.database_url, "a.mp4", DATA)
    video, first = await served.store.find(number, 0, 0)
    plan = Plan(206, {}, [range(50)], "", spread)
    gathered = gather(served.store, video, plan, b"", first)
    assert gathered is not None
    await asyncio.gather(*(pending.chunk for pending in gathered.pending))
    assert b"".join(gathered.complete()) == b"head" + DATA[100:146]
