"""Long videos are offered as HLS to those who practise."""

from __future__ import annotations

import pytest

from server.hls.offering import list_offered
from tests.conftest import Served, insert_video
from tests.postgres.test_schema import run


@pytest.mark.parametrize(
    ("seconds", "offered"), [(0, []), (9, [2, 3]), (10, [3]), (900, [])]
)
async def test_longer_videos_are_offered(
    served: Served, seconds: int, offered: list[int]
) -> None:
    url = served.database_url
    for number, length in enumerate(("NULL", 10, 900, 900)):
        insert_video(url, f"{number}.mp4", b"1")
        run(
            url,
            f"UPDATE videos SET duration_seconds = {length} WHERE id = {number + 1}",
        )
    found = await list_offered(served.store.database, [1, 2, 3, 2**40], seconds)
    assert found == {id_: f"/v3/videos/{id_}/master.m3u8" for id_ in offered}


async def test_table_that_knows_no_lengths_offers_none(served: Served) -> None:
    insert_video(served.database_url, "a.mp4", b"1")
    run(served.database_url, "ALTER TABLE videos DROP COLUMN duration_seconds CASCADE")
    assert await list_offered(served.store.database, [1], 10) == {}
