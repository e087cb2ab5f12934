"""A video's levels over HTTP, and in the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from tests.conftest import Served

LEARNER = "550e8400-e29b-41d4-a716-446655440000"
WORDS = f"""
INSERT INTO definitions VALUES (100, 'run', 'laufen', 'en', 'de', 1);
INSERT INTO test_questions (id, definition_id, question_text, choices, correct_answer)
    VALUES (500, 100, 'What?', '[]', 'A');
INSERT INTO definition_videos VALUES (100, 1, 2);
INSERT INTO saved_words VALUES (1, '{LEARNER}', 'run', 'en', 'de', '2025-12-09');
"""


def insert_level(url: str, original: int, height: int, data: bytes) -> int:
    video = insert_video(url, f"{original}-{height}.mp4", data)
    run(
        url,
        f"UPDATE videos SET is_level = true WHERE id = {video};"
        f"INSERT INTO levels VALUES ({video}, {original}, {height * 16 // 9}, {height},"
        f" {height * 2000}, 30, 'avc1.64001e,mp4a.40.2')",
    )
    return video


async def ask(served: Served, path: str) -> tuple[int, Any, dict[str, str]]:
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(path) as answer,
    ):
        return answer.status, await answer.json(), dict(answer.headers)


async def test_levels_are_listed_with_their_original(served: Served) -> None:
    url = served.database_url
    original = insert_video(url, "a.mp4", b"12345")
    run(url, f"INSERT INTO originals VALUES ({original}, 1920, 1080, 9000000, 30, 'a')")
    high = insert_level(url, original, 720, b"123")
    low = insert_level(url, original, 360, b"1")
    for asked in (original, low):
        status, body, headers = await ask(served, f"/v3/videos/{asked}/levels")
        assert status == 200
        assert [level["id"] for level in body["levels"]] == [low, high, original]
        assert headers["Cache-Control"] == "public, max-age=60"
        assert headers["Cache-Tag"] == f"video-{original}"
    assert body["levels"][0] == {
        "id": low,
        "url": f"/v3/videos/{low}.mp4",
        "original_id": original,
        "width": 640,
        "height": 360,
        "bit_rate": 720_000,
        "frame_rate": 30,
        "codecs": "avc1.64001e,mp4a.40.2",
        "bytes": 1,
    }
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(body["levels"][0]["url"]) as answer,
    ):
        assert await answer.read() == b"1"


@pytest.mark.parametrize("lacks_tables", [False, True])
async def test_video_without_levels_is_its_only_one(
    served: Served, lacks_tables: bool
) -> None:
    video = insert_video(served.database_url, "a.mp4", b"12345")
    if lacks_tables:
        run(served.database_url, "DROP TABLE levels; DROP TABLE originals")
    status, body, _ = await ask(served, f"/v3/videos/{video}/levels")
    assert status == 200
    [level] = body["levels"]
    assert (level["id"], level["bytes"], level["height"]) == (video, 5, None)


@pytest.mark.parametrize("video", [7, 4294967296])
async def test_levels_of_no_video_are_not_found(served: Served, video: int) -> None:
    status, body, _ = await ask(served, f"/v3/videos/{video}/levels")
    assert (status, body) == (404, {"error": f"There is no video {video}."})


async def test_batch_offers_the_levels_of_what_it_shows(served: Served) -> None:
    url = served.database_url
    for name in ("a.mp4", "b.mp4"):
        insert_video(url, name, b"12345")
    run(url, WORDS)
    batch = f"/v3/next-review-words-batch?user_id={LEARNER}"
    _, body, _ = await ask(served, batch)
    [word] = body["words"]
    assert word["definition"] == {
        "text": "laufen",
        "video_id": 1,
        "video_ids": [1, 2],
    }
    made = [insert_level(url, *of, b"1") for of in ((2, 360), (1, 720), (1, 360))]
    _, body, _ = await ask(served, batch)
    [word] = body["words"]
    offered = word["definition"]["levels"]
    assert [level["id"] for level in offered] == [made[2], made[1], made[0]]
    assert [level["original_id"] for level in offered] == [1, 1, 2]
    assert "levels" not in word["questions"][0]


async def test_batch_offers_an_original_beside_its_levels(served: Served) -> None:
    url = served.database_url
    for name in ("a.mp4", "b.mp4"):
        insert_video(url, name, b"12345")
    run(url, WORDS)
    for video in (1, 2):
        run(
            url, f"INSERT INTO originals VALUES ({video}, 1920, 1080, 9000000, 30, 'a')"
        )
    level = insert_level(url, 1, 720, b"123")
    batch = f"/v3/next-review-words-batch?user_id={LEARNER}"
    _, body, _ = await ask(served, batch)
    [word] = body["words"]
    offered = word["definition"]["levels"]  # the second clip has no choice
    assert [(each["id"], each["bytes"]) for each in offered] == [(level, 3), (1, 5)]
    assert {each["original_id"] for each in offered} == {1}
