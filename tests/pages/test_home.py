"""The first page, its files, and the live stream of what is being sent."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout

from server.app import build_app
from server.model import Video
from server.pages import home as front
from server.serving.listen import answering, bind
from server.video.watch import VIEWERS_MAX, Piece, Watch
from tests.conftest import insert_video

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

    from server.video.watch import News

VIEWER = "viewer-0001"
SIZE = 600_000


@asynccontextmanager
async def serving(url: str, watch: Watch | None) -> AsyncIterator[ClientSession]:
    with bind("127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with (
            ClientSession(base, timeout=ClientTimeout(20)) as client,
            answering(build_app(url, watch=watch), listening),
        ):
            yield client


@pytest_asyncio.fixture
async def client(database_url: str) -> AsyncIterator[ClientSession]:
    """Yield a client of a server that tells what it sends."""
    async with serving(database_url, Watch()) as client:
        yield client


async def read_pieces(stream: ClientResponse, state: str) -> list[Piece]:
    """Return what comes until an answer is in that state."""
    pieces: list[Piece] = []
    while not pieces or pieces[-1].state != state:
        line = await stream.content.readline()
        assert line, "the stream has ended"
        if line.startswith(b"data: "):
            pieces.append(Piece(**json.loads(line[6:])))
    return pieces


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (4.6, "0:05 · "), (60, "1:00 · "), (3599.7, "60:00 · ")],
)
def test_length_reads_in_minutes(seconds: float | None, text: str) -> None:
    assert front.render_length(seconds) == text


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("<script>alert(1)</script>.mp4", "&lt;script&gt;alert(1)&lt;/script&gt;.mp4"),
        ("\"' onload=x &amp;.mp4", "&quot;&#x27; onload=x &amp;amp;.mp4"),
        ("$clips ${live} $$.mp4", "$clips ${live} $$.mp4"),
        ("漂亮的_日落.mp4", "漂亮的_日落.mp4"),
        ("غروب.mp4", "غروب.mp4"),
    ],
)
def test_any_file_name_is_shown_as_text(filename: str, shown: str) -> None:
    page = front.render_index([(Video(7, filename, "", 9, 0), 5)], live=True)
    assert f'<bdi class="name">{shown}</bdi>' in page


def test_page_without_clips_says_how_to_import() -> None:
    page = front.render_index([], live=False)
    assert '<section class="empty" >' in page
    assert "bytereel import FILE" in page
    assert "<main hidden>" in page


async def test_page_lists_what_is_in_the_table(
    client: ClientSession, database_url: str
) -> None:
    number = insert_video(database_url, "a <b>.mp4", bytes(SIZE))
    async with client.get("/") as response:
        page = await response.text()
    assert response.status == 200
    assert f'href="/v3/videos/{number}.mp4"' in page
    assert "a &lt;b&gt;.mp4" in page
    assert "600 kB" in page
    assert 'data-live="yes"' in page
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


async def test_reads_show_one_answer_to_one_viewer(
    client: ClientSession, database_url: str
) -> None:
    number = insert_video(database_url, "a.mp4", bytes(SIZE))
    asked = {"Range": "bytes=1000-"}
    async with client.get(f"/reads?viewer={VIEWER}") as stream:
        assert stream.content_type == "text/event-stream"
        await stream.content.readuntil(b"\n\n")
        for viewer in ("viewer-0002", VIEWER):
            address = f"/v3/videos/{number}.mp4?viewer={viewer}"
            async with client.get(address, headers=asked) as video:
                assert len(await video.read()) == SIZE - 1000
        pieces = await read_pieces(stream, "complete")
    assert {piece[:5] for piece in pieces} == {(1, number, SIZE, 206, "bytes=1000-")}
    assert pieces[-1][5:] == (1000, SIZE, "complete")


@pytest.mark.long
async def test_reads_show_that_the_player_left(
    client: ClientSession, database_url: str
) -> None:
    size = 30_000_000  # more than the sockets between us hold
    number = insert_video(database_url, "a.mp4", bytes(size))
    async with client.get(f"/reads?viewer={VIEWER}") as stream:
        await stream.content.readuntil(b"\n\n")
        async with client.get(f"/v3/videos/{number}?viewer={VIEWER}") as video:
            await video.content.readexactly(1000)
            video.close()
        pieces = await read_pieces(stream, "aborted")
    assert 0 < pieces[-1].stop < size


async def test_reads_give_a_sign_of_life(
    client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "HEARTBEAT_SECONDS", 0.01)
    async with client.get(f"/reads?viewer={VIEWER}") as stream:
        await stream.content.readuntil(b"\n\n")
        assert await stream.content.readuntil(b"\n\n") == b": still here\n\n"


async def test_reads_forget_a_page_that_was_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "HEARTBEAT_SECONDS", 0.01)
    left = asyncio.Event()

    class Door(Watch):
        def leave(self, viewer: str, news: News) -> None:
            super().leave(viewer, news)
            left.set()

    watch = Door()
    async with serving(database_url, watch) as client:
        async with client.get(f"/reads?viewer={VIEWER}") as stream:
            await stream.content.readuntil(b"\n\n")
            stream.close()
        async with asyncio.timeout(20):
            await left.wait()
    assert watch.begin(VIEWER, 5, 100, 206, "") is None


@pytest.mark.parametrize(
    "query", ["", "?viewer=", "?viewer=short", "?viewer=a%0Ab/c/d/e"]
)
async def test_reads_need_a_viewer(client: ClientSession, query: str) -> None:
    async with client.get(f"/reads{query}") as response:
        assert response.status == 400
        assert "viewer" in (await response.json())["error"]


@pytest.mark.long
async def test_reads_are_for_so_many_pages(database_url: str) -> None:
    watch = Watch()
    for number in range(VIEWERS_MAX):
        watch.subscribe(f"viewer-{number:04}")
    async with (
        serving(database_url, watch) as client,
        client.get("/reads?viewer=one-too-many") as response,
    ):
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"


@pytest.mark.long
async def test_reads_are_not_there_without_a_watch(database_url: str) -> None:
    async with serving(database_url, None) as client:
        async with client.get(f"/reads?viewer={VIEWER}") as response:
            assert response.status == 404
        async with client.get("/") as response:
            assert 'data-live="no"' in await response.text()


@pytest.mark.long
async def test_stop_of_the_server_ends_the_stream(database_url: str) -> None:
    with bind("127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with ClientSession(base, timeout=ClientTimeout(5)) as client:
            async with answering(build_app(database_url, watch=Watch()), listening):
                stream = await client.get(f"/reads?viewer={VIEWER}")
                await stream.content.readuntil(b"\n\n")
                reading = asyncio.create_task(stream.content.read())
            assert await reading == b""
