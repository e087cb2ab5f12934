"""The captions of a video over HTTP, and what browsers make of them."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from aiohttp import ClientSession

from server.library.captions.parse import parse_captions
from server.library.captions.rows import save_captions
from server.video.captions import Document, plan_document
from tests.browser import launching, note_complaints, wait_until
from tests.command import serving
from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from tests.conftest import Served

ENGLISH = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nRun <b>fast</b>!\n"
GERMAN = "WEBVTT\n\n00:00:00.500 --> 00:00:07.250\nLauf, Straße!\n"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
TAG = Document(1, "vtt", b"x").etag
MODIFIED = 784111777
HOSTILE = b"""\xef\xbb\xbfWEBVTT\r
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\r
\r
STYLE\r
::cue { background: url(//other.example/) }\r
\r
NOTE <script>alert(1)</script>\r
\r
00:01.000 --> 00:02.000 align:middle line:0 onload:alert(1)\r
<v "><img src=x onerror=alert(1)>a</v> &lt;script&gt;\r
<script>alert(1)</script><3 &#10;&#10;00:05.000 --&gt; 00:06.000\r
\r
00:00.000 --> 00:03.000\r
<ruby>\xe6\xbc\xa2<rt>kan</ruby> <b><i>b</b>\0\r
\r
7\r
00:00:01,5 --> 0:00:09\r
<c.x.y"z>< b&c
"""


def keep(url: str, video_id: int, language: str, vtt: str) -> str:
    with closing(psycopg2.connect(url)) as connection, connection:
        return save_captions(connection.cursor(), video_id, language, vtt)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"Range": "bytes=0-1"}, 200),
        ({"If-None-Match": TAG}, 304),
        ({"If-None-Match": f"W/{TAG}"}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": DATE}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Match": '"video-1"'}, 412),
        ({"If-Match": "*", "If-None-Match": TAG}, 304),
        ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}, 412),
    ],
)
def test_conditions_hold_in_their_order(asked: dict[str, str], status: int) -> None:
    found = Document(1, "vtt", b"x", MODIFIED)
    for method in ("GET", "HEAD"):
        assert plan_document(method, asked, found).status == status


async def test_captions_are_served_and_edits_are_seen(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "run.mp4", b"abc")
    assert keep(url, video_id, "en", ENGLISH) == "added"
    run(url, f"UPDATE captions SET updated_at = to_timestamp({MODIFIED})")
    path = f"/v3/videos/{video_id}/captions/en.vtt"
    expected = {
        "Content-Type": "text/vtt; charset=utf-8",
        "Content-Length": str(len(ENGLISH.encode())),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=60",
        "Last-Modified": DATE,
        "Cache-Tag": "video-1",
        "Access-Control-Allow-Origin": "*",
    }
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        async with client.get(path) as answer:
            assert (answer.status, await answer.text()) == (200, ENGLISH)
            assert expected.items() <= dict(answer.headers).items()
            tag = answer.headers["ETag"]
        async with client.head(path.replace("en.", "EN.")) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert expected.items() <= dict(answer.headers).items()
        for again, status in (("exists", 304), ("changed", 200)):
            text = ENGLISH if again == "exists" else GERMAN
            assert keep(url, video_id, "en", text) == again
            async with client.get(path, headers={"If-None-Match": tag}) as answer:
                assert answer.status == status
                assert answer.headers["Cache-Control"] == "public, max-age=60"
        async with client.post(path) as answer:
            assert answer.status == 405


async def test_playlist_has_the_longer_of_clip_and_captions(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "run.mp4", b"abc")
    keep(url, video_id, "de", GERMAN)
    path = f"/v3/videos/{video_id}/captions/de.m3u8"
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        for clip, line in (("NULL", "7.250"), ("5", "7.250"), ("9", "9.000")):
            run(url, f"UPDATE videos SET duration_seconds = {clip}")
            async with client.get(path) as answer:
                assert answer.status == 200
                assert answer.content_type == "application/vnd.apple.mpegurl"
                text = await answer.text()
                assert f"#EXTINF:{line},\nde.vtt\n" in text


async def test_languages_are_listed(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "run.mp4", b"abc")
    path = f"/v3/videos/{video_id}/captions"
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        async with client.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"captions": []})
        keep(url, video_id, "pt-BR", ENGLISH)
        keep(url, video_id, "de", GERMAN)
        async with client.get(path) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert (await answer.json())["captions"] == [
                {"language": "de", "label": "Deutsch", "url": f"{path}/de.vtt"},
                {
                    "language": "pt-BR",
                    "label": "Português (BR)",
                    "url": f"{path}/pt-BR.vtt",
                },
            ]
        run(url, "DROP TABLE captions")  # or never migrated
        async with client.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"captions": []})
        async with client.get(f"{path}/de.vtt") as answer:
            assert answer.status == 404


async def test_players_of_other_origins_may_name_themselves(served: Served) -> None:
    insert_video(served.database_url, "run.mp4", b"abc")
    asked = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "cmcd-session",
    }
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        for ending in ("vtt", "m3u8"):
            path = f"/v3/videos/1/captions/en.{ending}"
            async with client.options(path, headers=asked) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                allowed = answer.headers["Access-Control-Allow-Headers"].lower()
                assert "cmcd-session" in allowed.split(", ")
            async with client.post(path) as answer:
                assert answer.status == 405


async def test_what_is_not_there_is_a_404(served: Served) -> None:
    url = served.database_url
    video_id = insert_video(url, "run.mp4", b"abc")
    keep(url, video_id, "en", ENGLISH)
    async with ClientSession(f"http://127.0.0.1:{served.port}") as client:
        for path in (
            *("1/captions/de.vtt", "1/captions/de.m3u8", "1/captions/english.vtt"),
            *("1/captions/e.vtt", "1/captions/en.srt", "1/captions/en_US.vtt"),
            *("2/captions/en.vtt", "2/captions", "2147483648/captions/en.vtt"),
            *("2147483648/captions", "0/captions", "1/captions/"),
        ):
            async with client.get(f"/v3/videos/{path}") as answer:
                assert answer.status == 404, path
                assert answer.headers["Cache-Control"] == "no-store"
                assert list(json.loads(await answer.read())) == ["error"]
        run(url, "DELETE FROM videos")
        async with client.get("/v3/videos/1/captions/en.vtt") as answer:
            assert answer.status == 404
    assert run(url, "SELECT FROM captions") == []


CUES = """async address => {
    const video = document.createElement('video');
    const track = document.createElement('track');
    track.kind = 'captions';
    track.src = address;
    video.append(track);
    document.body.append(video);
    track.track.mode = 'hidden';
    await new Promise((resolve, reject) => {
        track.addEventListener('load', resolve);
        track.addEventListener('error', () => reject(new Error('refused')));
    });
    return [...track.track.cues].map(cue => {
        const tags = [...cue.getCueAsHTML().querySelectorAll('*')];
        return [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent,
                tags.map(tag => tag.localName)];
    });
}"""


def test_browser_reads_every_cue_that_is_kept(database_url: str) -> None:
    video_id = insert_video(database_url, "run.mp4", b"abc")
    kept = parse_captions(HOSTILE, "hostile.vtt")
    keep(database_url, video_id, "en", kept.vtt)
    with serving(database_url) as server, launching() as browser:
        page = browser.new_page()
        complaints = note_complaints(page)
        page.goto(server.address)
        wait_until(page, "document.readyState === 'complete'")
        found = page.evaluate(CUES, f"/v3/videos/{video_id}/captions/en.vtt")
        assert found == [
            [0, 3, "漢kan b", ["ruby", "rt", "b", "i"]],
            [1, 2, "a <script>\nalert(1)<3\n00:05.000 --> 00:06.000", ["span"]],
            [1.5, 9, "< b&c", ["span"]],
        ]
        assert complaints == []
