"""Pictures of moments, storyboards and animations over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import av
import psycopg2
import pytest
from aiohttp import ClientSession

from server.library.clips.previews import FRAMES_KEPT
from server.video.previews import _ONE_OF_MANY
from tests.clips import GOOD, make
from tests.conftest import insert_video
from tests.library.clips.test_thumbnail import film
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served

pytestmark = pytest.mark.long

FOR_GOOD = "public, max-age=31536000, immutable"
SHORT = GOOD._replace(frames=40, fps=10, gop=10)
LIGHT = [min(16 + n, 235) for n in range(230)]  # ten a second


def insert(url: str, path: Path, seconds: int | None) -> int:
    video_id = insert_video(url, f"{path.name}.mp4", path.read_bytes())
    known = "NULL" if seconds is None else seconds
    run(url, f"UPDATE videos SET duration_seconds = {known} WHERE id = {video_id}")
    return video_id


def insert_film(url: str, folder: Path) -> int:
    """Insert a clip of 23 seconds that grows lighter."""
    return insert(url, film(folder / "film.mp4", [(n, n) for n in LIGHT]), 23)


def connect(served: Served) -> ClientSession:
    return ClientSession(f"http://127.0.0.1:{served.port}")


async def fetch(
    client: ClientSession, path: str, method: str = "GET", **headers: str
) -> tuple[int, Any, bytes]:
    async with client.request(
        method, f"/v3/videos/{path}", headers={**headers}
    ) as answer:
        return answer.status, answer.headers, await answer.read()


def read_light(image: bytes) -> int:
    with av.open(io.BytesIO(image), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="gray")
    return bytes(frame.planes[0])[0]


def count(url: str) -> list[tuple[str, int]]:
    statement = "SELECT kind, count(*) FROM previews GROUP BY kind ORDER BY kind"
    return [(kind, number) for kind, number in run(url, statement)]


async def test_picture_of_a_moment_is_made_once_and_kept(
    served: Served, tmp_path: Path
) -> None:
    url = served.database_url
    video = insert_film(url, tmp_path)
    async with connect(served) as client:
        path = f"{video}/thumbnail?time=3"
        status, headers, image = await fetch(client, path)
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert headers["Cache-Control"] == FOR_GOOD
        assert headers["Cache-Tag"] == f"video-{video}"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert read_light(image) == pytest.approx((46 - 16) * 255 / 219, abs=3)
        run(url, "UPDATE previews SET created_at = '1994-11-06 08:49:37Z'")
        again = await fetch(client, path)  # from the table
        assert again[2] == image
        assert again[1]["ETag"] == headers["ETag"]
        assert again[1]["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
        status, _, body = await fetch(
            client, path, **{"If-None-Match": headers["ETag"]}
        )
        assert (status, body) == (304, b"")
        status, head, body = await fetch(client, path, "HEAD")
        assert (status, body) == (200, b"")
        assert head["Content-Length"] == str(len(image))
    assert count(url) == [("frame", 1)]


async def test_moments_are_rounded_so_that_caches_stay_small(
    served: Served, tmp_path: Path
) -> None:
    video = insert_film(served.database_url, tmp_path)
    async with connect(served) as client:
        _, plain, image = await fetch(client, f"{video}/thumbnail?time=3.2")
        assert plain["Cache-Control"] == FOR_GOOD
        assert "Content-Location" not in plain
        for query in ("time=3.3", "time=3.20", "time=3.2&x=1", "x&time=3.2"):
            status, headers, same = await fetch(client, f"{video}/thumbnail?{query}")
            assert (status, same == image) == (200, True)
            assert headers["Cache-Control"] == _ONE_OF_MANY
            assert headers["Content-Location"].endswith("/thumbnail?time=3.2")
            assert headers["ETag"] == plain["ETag"]
        assert count(served.database_url) == [("frame", 1)]
        # behind the end stands the last frame
        for time in ("99999", "9" * 30, "9" * 6000):
            _, _, last = await fetch(client, f"{video}/thumbnail?time={time}")
            assert read_light(last) == pytest.approx(255, abs=3)


A_NUMBER = "time must be a number of seconds such as 3.2, not"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("time=", f'{A_NUMBER} "".'),
        ("time=-1", f'{A_NUMBER} "-1".'),
        ("x=1&time=1e9", f'{A_NUMBER} "1e9".'),
        ("time=nan", f'{A_NUMBER} "nan".'),
        (f"time={'x' * 99}", f"{A_NUMBER} text of 99 characters."),
        ("time=1&time=2", "time is given twice; give it once."),
    ],
)
async def test_time_that_is_none_is_refused(
    served: Served, query: str, sentence: str
) -> None:
    async with connect(served) as client:
        status, headers, body = await fetch(client, f"1/thumbnail?{query}")
        assert status == 400
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(body) == {"error": sentence}
        assert (await fetch(client, f"1/thumbnail?{query}", "HEAD"))[0] == 400


async def test_storyboard_goes_with_its_cues(served: Served, tmp_path: Path) -> None:
    video = insert_film(served.database_url, tmp_path)
    async with connect(served) as client:
        status, headers, body = await fetch(client, f"{video}/storyboard.vtt")
        assert (status, headers["Content-Type"]) == (200, "text/vtt")
        cues = body.decode().split("\n\n")
        assert cues[0] == "WEBVTT"
        assert len(cues) == 13
        address, _, place = cues[12].strip().splitlines()[1].partition("#")
        assert place == "xywh=96,64,96,64"
        status, picture, image = await fetch(client, f"{video}/{address}")
        assert (status, picture["Content-Type"]) == (200, "image/jpeg")
        assert picture["Cache-Control"] == headers["Cache-Control"] == FOR_GOOD
        with av.open(io.BytesIO(image), "r") as container:
            [stream] = container.streams.video
            assert (stream.width, stream.height) == (960, 128)
        assert (await fetch(client, f"{video}/storyboard.vtt"))[2] == body
    assert count(served.database_url) == [("storyboard", 1)]


@pytest.mark.parametrize("seconds", [4, None])
async def test_short_clip_has_no_storyboard(
    served: Served, tmp_path: Path, seconds: int | None
) -> None:
    video = insert(served.database_url, make(tmp_path / "a", SHORT), seconds)
    async with connect(served) as client:
        for name in ("storyboard.vtt", "storyboard.jpg"):
            status, headers, body = await fetch(client, f"{video}/{name}")
            assert (status, headers["Cache-Control"]) == (404, "no-store")
            assert json.loads(body)["error"] == (
                f"Video {video} is 4 s long: there is a storyboard only of clips "
                "above 20 s."
            )


async def test_animation_is_a_small_webp(served: Served, tmp_path: Path) -> None:
    video = insert(served.database_url, make(tmp_path / "a", SHORT), 4)
    async with connect(served) as client:
        status, headers, image = await fetch(client, f"{video}/preview.webp")
        assert (status, headers["Content-Type"]) == (200, "image/webp")
        assert (image.count(b"ANMF"), len(image) <= 150_000) == (8, True)
        run(served.database_url, "DELETE FROM videos")
        assert count(served.database_url) == []
        assert (await fetch(client, f"{video}/preview.webp"))[0] == 404


NAMES = ("thumbnail?time=1", "preview.webp", "storyboard.vtt", "storyboard.jpg")


@pytest.mark.parametrize("name", NAMES)
async def test_what_has_no_picture_is_a_404(served: Served, name: str) -> None:
    video = insert_video(served.database_url, "a.mp4", b"no film")
    empty = insert_video(served.database_url, "b.mp4", b"")
    async with connect(served) as client:
        for each in (video, video, empty, 99, 4_000_000_000):
            status, headers, body = await fetch(client, f"{each}/{name}")
            assert (status, headers["Cache-Control"]) == (404, "no-store")
            assert list(json.loads(body)) == ["error"]
        assert (await fetch(client, f"{video}/{name}", "HEAD"))[2] == b""


async def test_video_deleted_meanwhile_is_not_found(
    served: Served, tmp_path: Path
) -> None:
    url = served.database_url
    video = insert(url, make(tmp_path / "a", SHORT), 4)
    waiting = (
        "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'previews'::regclass"
    )
    async with connect(served) as client:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as held:
            held.execute("LOCK TABLE previews")
            asking = asyncio.create_task(fetch(client, f"{video}/thumbnail?time=1"))
            while not await asyncio.to_thread(run, url, waiting):
                assert not asking.done()
            held.execute(f"DELETE FROM videos WHERE id = {video}")
            connection.commit()
        status, headers, body = await asking
    assert (status, headers["Cache-Control"]) == (404, "no-store")
    assert json.loads(body) == {"error": "Video not found"}


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE previews",
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "ALTER TABLE previews ADD CHECK (FALSE)",
    ],
)
async def test_what_cannot_be_kept_is_served_all_the_same(
    served: Served, tmp_path: Path, change: str
) -> None:
    url = served.database_url
    video = insert(url, make(tmp_path / "a", SHORT), 4)
    [(name,)] = run(url, "SELECT current_database()")
    run(url, change.format(name=name))
    async with connect(served) as client:
        first, second = [await fetch(client, f"{video}/preview.webp") for _ in range(2)]
        assert first[0] == 200
        assert (first[1]["ETag"], first[2]) == (second[1]["ETag"], second[2])


async def test_view_of_others_is_served(served: Served, tmp_path: Path) -> None:
    url = served.database_url
    video = insert(url, make(tmp_path / "a", SHORT), None)
    run(
        url,
        "ALTER TABLE videos RENAME TO clips; DROP TABLE previews;"
        "CREATE VIEW videos AS SELECT id::bigint, filename::text, video_data,"
        " mime_type::text, created_at FROM clips",
    )
    async with connect(served) as client:
        for name in ("preview.webp", "thumbnail?time=1"):
            assert (await fetch(client, f"{video}/{name}"))[0] == 200
        assert (await fetch(client, f"{video}/storyboard.vtt"))[0] == 404


async def test_crowd_shares_what_is_being_made(served: Served, tmp_path: Path) -> None:
    video = insert_film(served.database_url, tmp_path)
    async with connect(served) as client:
        names = [NAMES[n % 4] for n in range(40)]
        found = await asyncio.gather(
            *(fetch(client, f"{video}/{name}") for name in names)
        )
    assert {status for status, _, _ in found} == {200}
    for name in NAMES:
        mine = {
            body for at, (_, _, body) in zip(names, found, strict=True) if at == name
        }
        assert len(mine) == 1
    assert count(served.database_url) == [
        ("animation", 1),
        ("frame", 1),
        ("storyboard", 1),
    ]


async def test_pictures_of_moments_are_bounded(served: Served, tmp_path: Path) -> None:
    url = served.database_url
    video = insert_film(url, tmp_path)
    async with connect(served) as client:
        for n in range(FRAMES_KEPT + 10):
            status, _, _ = await fetch(client, f"{video}/thumbnail?time={n / 5}")
            assert status == 200
    assert count(url) == [("frame", FRAMES_KEPT)]
    assert run(url, "SELECT min(at_ms) FROM previews") == [(2000,)]
