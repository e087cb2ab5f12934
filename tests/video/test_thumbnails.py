"""The picture of a video over HTTP: by the rules of the video itself."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from aiohttp import ClientSession

from server.library.clips.thumbnail import save_thumbnail
from server.model import Thumbnail
from server.video.thumbnails import plan_thumbnail
from tests.conftest import insert_video
from tests.library.clips.test_thumbnail import PICTURE
from tests.postgres.test_schema import run
from tests.wire import fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import ClientResponse

    from tests.conftest import Served

# A tenth of a second less than it takes to be another second.
MADE = "1994-11-06 08:49:37.9Z"
TAG, DATE = '"thumbnail-1-784111777900000"', "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"Range": "bytes=0-1"}, 200),
        ({"If-None-Match": TAG}, 304),
        ({"If-None-Match": f"W/{TAG}"}, 304),
        ({"If-None-Match": '"thumbnail-1-1"'}, 200),
        ({"If-None-Match": '"thumbnail-1-1"', "If-Modified-Since": DATE}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Match": '"video-1"'}, 412),
        ({"If-Match": '"video-1"', "If-None-Match": TAG}, 412),
        ({"If-Match": "*", "If-None-Match": TAG}, 304),
        ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}, 412),
        ({"If-Unmodified-Since": DATE}, 200),
    ],
)
def test_conditions_hold_in_their_order(asked: dict[str, str], status: int) -> None:
    found = Thumbnail(1, "image/jpeg", 784111777900000, b"picture")
    for method in ("GET", "HEAD"):
        assert plan_thumbnail(method, asked, found).status == status


def test_type_that_is_no_picture_is_not_passed_on() -> None:
    plan = plan_thumbnail("GET", {}, Thumbnail(1, "text/html", 0, b"<script>"))
    assert fields(plan)["Content-Type"] == "application/octet-stream"


def keep(url: str, video_id: int, *, again: bool = False) -> None:
    with closing(psycopg2.connect(url)) as connection, connection:
        save_thumbnail(connection.cursor(), video_id, PICTURE, again=again)


def read(answer: ClientResponse, names: Iterable[str]) -> dict[str, str | None]:
    return {name: answer.headers.get(name) for name in names}


async def test_thumbnail_is_served_as_its_video_is(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "a.mp4", b"abc")
    keep(url, video_id)
    run(url, f"UPDATE thumbnails SET created_at = '{MADE}'")
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        path = f"/v3/videos/{video_id}/thumbnail"
        shared = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "ETag": TAG,
            "Last-Modified": DATE,
            "Cache-Tag": "video-1",
            "Access-Control-Allow-Origin": "*",
        }
        own = {
            "Content-Type": "image/jpeg",
            "Content-Length": str(len(PICTURE.image)),
            "X-Content-Type-Options": "nosniff",
        }
        async with client.get(path) as answer:
            assert (answer.status, await answer.read()) == (200, PICTURE.image)
            assert read(answer, shared | own) == shared | own
        async with client.head(path) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert read(answer, shared | own) == shared | own
        async with client.get(path, headers={"If-None-Match": TAG}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert read(answer, shared) == shared
        keep(url, video_id)  # another import: it stays
        async with client.get(path, headers={"If-None-Match": TAG}) as answer:
            assert answer.status == 304
        keep(url, video_id, again=True)
        async with client.get(path, headers={"If-None-Match": TAG}) as answer:
            assert answer.status == 200
            assert answer.headers["ETag"] != TAG


@pytest.mark.parametrize(
    "made", ["infinity", "-infinity", "294276-12-31", "0044-03-15 BC"]
)
async def test_odd_date_of_a_thumbnail_is_not_told(served: Served, made: str) -> None:
    url = served.database_url
    video_id = insert_video(url, "a.mp4", b"abc")
    keep(url, video_id)
    run(url, f"UPDATE thumbnails SET created_at = '{made}'")
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        path = f"/v3/videos/{video_id}/thumbnail"
        async with client.get(path) as answer:
            assert (answer.status, await answer.read()) == (200, PICTURE.image)
            assert "Last-Modified" not in answer.headers
            assert answer.headers["ETag"] == '"thumbnail-1-0"'


async def test_without_a_thumbnail_there_is_none(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "a.mp4", b"abc")
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:

        async def refusal(path: str, status: int = 404) -> bytes:
            async with client.get(f"/v3/videos/{path}") as answer:
                assert answer.status == status
                assert answer.headers["Cache-Control"] == "no-store"
                return await answer.read()

        for path in ("1/thumbnail", "2147483648/thumbnail", "0/thumbnail"):
            assert list(json.loads(await refusal(path))) == ["error"]
        assert await refusal("1/thumbnail?missing=empty", 204) == b""
        keep(url, video_id)
        async with client.get("/v3/videos/1/thumbnail?missing=empty") as answer:
            assert answer.status == 200
        run(url, "DELETE FROM videos")
        await refusal("1/thumbnail")
        assert run(url, "SELECT FROM thumbnails") == []
        run(url, "DROP TABLE thumbnails")  # or never migrated
        await refusal("1/thumbnail")
        async with client.get("/") as answer:
            assert answer.status == 200
