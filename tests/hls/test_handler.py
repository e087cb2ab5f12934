"""Playlists and the virtual file over real sockets, made of real clips."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from contextlib import closing
from email import message_from_bytes
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import pytest
import pytest_asyncio

from server.app import build_app
from server.demo.samples import make_clip
from server.hls.layout import Layout, plan_layout
from server.reading.store import FRESH_SECONDS
from server.serving.connection import Connection
from server.serving.listen import answering, bind
from server.video.handler import CODING
from tests.conftest import execute, insert_video, serve_database
from tests.hls.virtual import build, find_moov
from tests.hls.written import WRITTEN
from tests.wire import Wire, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.conftest import Served
    from tests.wire import Head

SECONDS = 8
TYPE = "application/vnd.apple.mpegurl"
GOOD = "public, max-age=31536000, immutable"
LISTS = ("master.m3u8", "hls1.m3u8", "hls1-iframes.m3u8")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a clip of four segments, its index at the end."""
    path: Path = tmp_path_factory.mktemp("hls") / "clip.mp4"
    make_clip(path, seconds=SECONDS, faststart=False, bit_rate=2_000_000)
    return path.read_bytes()


class Made(NamedTuple):
    """A video that is served, and its virtual file."""

    number: int
    path: str
    data: bytes


@pytest.fixture
def made(served: Served, clip: bytes) -> Made:
    number = insert_video(served.database_url, "Läufer.mov", clip)
    return Made(number, f"/v3/videos/{number}", build(clip))


@pytest_asyncio.fixture
async def wire(served: Served) -> AsyncIterator[Wire]:
    async with connect(served.port) as wire:
        yield wire


def list_ranges(playlist: str) -> list[range]:
    """Return the byte ranges of a playlist, the init section first."""
    found = re.findall(r"BYTERANGE[:=]\"?(\d+)@(\d+)", playlist)
    return [range(int(at), int(at) + int(size)) for size, at in found]


async def test_media_playlist_leads_to_every_byte(wire: Wire, made: Made) -> None:
    _, text = await wire.get(f"{made.path}/hls1.m3u8")
    spans = list_ranges(text.decode())
    assert len(spans) == 1 + SECONDS // 2
    got = b""
    for span in spans:
        asked = {"Range": f"bytes={span.start}-{span.stop - 1}"}
        head, body = await wire.get(f"{made.path}/hls1.mp4", asked)
        assert head.status == 206
        assert head.headers["content-range"] == (
            f"bytes {span.start}-{span.stop - 1}/{len(made.data)}"
        )
        got += body
    assert got == made.data


@pytest.mark.parametrize("cache_bytes", [64_000_000, 0])
async def test_ranges_are_those_of_the_virtual_file(
    database_url: str, clip: bytes, cache_bytes: int
) -> None:
    path = f"/v3/videos/{insert_video(database_url, 'a.mp4', clip)}/hls1.mp4"
    data = build(clip)
    starts = plan_layout(find_moov(clip), len(clip)).starts
    borders = [*starts, 0, 700, len(data) // 2]
    serving = serve_database(database_url, cache_bytes=cache_bytes)
    async with serving as served, connect(served.port) as wire:
        for border in borders:
            for first, length in ((border - 5, 10), (border, 9_000), (border, 700_000)):
                first = min(max(first, 0), len(data) - 1)
                asked = {"Range": f"bytes={first}-{first + length - 1}"}
                head, body = await wire.get(path, asked)
                assert (head.status, body) == (206, data[first : first + length])
        head, body = await wire.get(path, {"Range": "bytes=-7"})
        assert (head.status, body) == (206, data[-7:])
        head, body = await wire.get(path)
        assert (head.status, body) == (200, data)


async def test_file_has_the_headers_of_a_video(wire: Wire, made: Made) -> None:
    head, _ = await wire.get(f"{made.path}/hls1.mp4")
    for name, value in {
        "content-type": "video/mp4",
        "content-length": str(len(made.data)),
        "cache-control": GOOD,
        "accept-ranges": "bytes",
        "etag": f'"video-{made.number}-hls1"',
        "cache-tag": f"video-{made.number}",
        "content-disposition": (
            "inline; filename=\"L_ufer.mp4\"; filename*=UTF-8''L%C3%A4ufer.mp4"
        ),
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
    }.items():
        assert head.headers[name] == value
    assert "vary" not in head.headers
    video, _ = await wire.get(made.path)
    assert head.headers["last-modified"] == video.headers["last-modified"]


async def test_several_ranges_of_the_file_are_parts(wire: Wire, made: Made) -> None:
    asked = {"Range": f"bytes=0-99,{len(made.data) - 5}-"}
    head, body = await wire.get(f"{made.path}/hls1.mp4", asked)
    kind = f"Content-Type: {head.headers['content-type']}\r\n\r\n".encode()
    _, *parts = message_from_bytes(kind + body).walk()
    assert head.status == 206
    assert [part.get_payload(decode=True) for part in parts] == [
        made.data[:100],
        made.data[-5:],
    ]


async def test_conditions_are_those_of_the_file(wire: Wire, made: Made) -> None:
    path, tag = f"{made.path}/hls1.mp4", f'"video-{made.number}-hls1"'
    video, size = f'"video-{made.number}"', len(made.data)
    for asked, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": video}, 200),
        ({"If-Match": video}, 412),
        ({"Range": "bytes=0-1", "If-Range": tag}, 206),
        ({"Range": "bytes=0-1", "If-Range": video}, 200),
        ({"Range": f"bytes={size}-"}, 416),
    ):
        head, _ = await wire.get(path, asked)
        assert head.status == status, asked
    head = await wire.ask("HEAD", path, {"Range": "bytes=0-1"})
    assert (head.status, head.length) == (200, size)


@pytest.mark.parametrize("name", LISTS)
async def test_playlists_are_compressed_for_who_takes_that(
    wire: Wire, made: Made, name: str
) -> None:
    path = f"{made.path}/{name}"
    plain, text = await wire.get(path)
    assert text.startswith(b"#EXTM3U\n")
    assert (plain.status, plain.headers["content-type"]) == (200, TYPE)
    control = "public, max-age=60" if name == "master.m3u8" else GOOD
    accepted = {"Accept-Encoding": "br, gzip"}
    packed, body = await wire.get(path, accepted)
    for head in (plain, packed):
        assert head.headers["cache-control"] == control
        assert head.headers["vary"] == "Accept-Encoding"
        assert head.headers["cache-tag"] == f"video-{made.number}"
        assert head.headers["access-control-allow-origin"] == "*"
    if "content-encoding" in packed.headers:
        assert len(text) >= 500
        assert (packed.headers["content-encoding"], gzip.decompress(body)) == (
            "gzip",
            text,
        )
        assert packed.headers["etag"] != plain.headers["etag"]
    else:
        assert body == text
    fresh = {**accepted, "If-None-Match": packed.headers["etag"]}
    head, _ = await wire.get(path, fresh)
    assert (head.status, head.headers["vary"]) == (304, "Accept-Encoding")
    head = await wire.ask("HEAD", path, accepted)
    assert (head.status, head.length) == (200, len(body))


@pytest.mark.long
async def test_long_playlist_comes_compressed(
    served: Served, wire: Wire, tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mp4", seconds=20, faststart=True, bit_rate=300_000)
    data = (tmp_path / "a.mp4").read_bytes()
    path = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', data)}/hls1.m3u8"
    _, text = await wire.get(path)
    for _ in range(2):  # the second comes from memory
        head, body = await wire.get(path, {"Accept-Encoding": "gzip"})
        assert head.headers["content-encoding"] == "gzip"
        assert gzip.decompress(body) == text
        assert len(body) < len(text) / 2
    part, _ = await wire.get(path, {"Range": "bytes=0-6"})
    assert part.status == 206
    _, text = await wire.get(f"{path}?start=2")
    packed = {"Accept-Encoding": "gzip"}
    head = await wire.ask("HEAD", f"{path}?start=2", packed)
    assert (head.status, "content-length" in head.headers) == (200, False)
    for start in ("2", "3.5"):  # lie in the same segment
        same, body = await wire.get(f"{path}?start={start}", packed)
        assert (gzip.decompress(body), same.headers["vary"]) == (text, CODING)
        assert same.headers["etag"] == head.headers["etag"] != part.headers["etag"]


async def test_master_names_the_playlists(wire: Wire, made: Made) -> None:
    _, text = await wire.get(f"{made.path}/master.m3u8")
    lines = text.decode().splitlines()
    assert "hls1.m3u8" in lines
    assert any('URI="hls1-iframes.m3u8"' in line for line in lines)
    _, text = await wire.get(f"{made.path}/master.m3u8?end=5&start=2&x=1")
    lines = text.decode().splitlines()
    assert "hls1.m3u8?start=2&end=5" in lines
    assert any('URI="hls1-iframes.m3u8?start=2&end=5"' in line for line in lines)


@pytest.mark.parametrize("name", LISTS[1:])
async def test_part_is_cut_at_borders(wire: Wire, made: Made, name: str) -> None:
    _, text = await wire.get(f"{made.path}/{name}")
    init, *spans = list_ranges(text.decode())
    for query, part in (
        ("start=2&end=4", spans[1:2]),
        ("start=3.5&end=4.5", spans[1:3]),
        ("start=4", spans[2:]),
        ("end=0.5", spans[:1]),
        ("end=999999", spans),
    ):
        head, text = await wire.get(f"{made.path}/{name}?{query}")
        assert head.headers["cache-control"] == GOOD
        assert list_ranges(text.decode()) == [init, *part], query


async def test_part_of_sound_has_no_iframes(served: Served, wire: Wire) -> None:
    number = insert_video(served.database_url, "a.mp4", WRITTEN["sound only"])
    for query in ("", "?start=1", "?start=999"):
        path = f"/v3/videos/{number}/hls1-iframes.m3u8{query}"
        head, body = await wire.get(path)
        assert (head.status, json.loads(body)["code"]) == (404, "hls-no-pictures")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["start=x", "start=-1", "end=1e3", "start=1&start=2"])
async def test_wrong_time_is_told(
    wire: Wire, made: Made, name: str, query: str
) -> None:
    for method in ("HEAD", "GET"):
        head = await wire.ask(method, f"{made.path}/{name}?{query}")
        assert (head.status, head.headers["cache-control"]) == (400, "no-store")
    field = query.partition("=")[0]
    assert json.loads(await wire.read(head.length))["error"].startswith(f"{field} ")


@pytest.mark.parametrize("query", ["start=8", "start=5&end=4", "start=9999", "end=0"])
async def test_part_without_anything_is_told(
    wire: Wire, made: Made, query: str
) -> None:
    head, body = await wire.get(f"{made.path}/hls1.m3u8?{query}")
    assert (head.status, head.headers["cache-control"]) == (400, "no-store")
    assert list(json.loads(body)) == ["error"]


@pytest.mark.parametrize("name", [*LISTS, "hls1.mp4"])
async def test_unfit_video_is_a_404_with_its_code(
    served: Served, wire: Wire, name: str
) -> None:
    number = insert_video(served.database_url, "a.mp4", b"\0" * 100)
    for _ in range(2):  # the second time from memory
        head, body = await wire.get(f"/v3/videos/{number}/{name}")
        assert (head.status, head.headers["cache-control"]) == (404, "no-store")
        assert head.headers["access-control-allow-origin"] == "*"
        assert json.loads(body)["code"] == "hls-malformed"
    head = await wire.ask("HEAD", f"/v3/videos/{number}/{name}")
    assert head.status == 404
    head, body = await wire.get(f"/v3/videos/999/{name}")
    assert (head.status, json.loads(body)) == (404, {"error": "Video not found"})


async def test_others_have_their_turns_while_heads_are_made(
    wire: Wire, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, seen = 0, list[int]()
    iter_pieces = Layout.iter_pieces

    def watch(layout: Layout, first: int, last: int) -> Iterator[bytes | range]:
        for piece in iter_pieces(layout, first, last):
            if isinstance(piece, bytes):
                seen.append(turn)
            yield piece

    async def take_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    await wire.get(f"{made.path}/hls1.mp4")  # from here on memory has all of it
    monkeypatch.setattr(Layout, "iter_pieces", watch)
    others = asyncio.create_task(take_turns())
    await wire.get(f"{made.path}/hls1.mp4")
    others.cancel()
    assert len(seen) > 4
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("name", [*LISTS, "hls1.mp4"])
async def test_preflight_allows_ranges(wire: Wire, made: Made, name: str) -> None:
    head = await wire.ask("OPTIONS", f"{made.path}/{name}", {"Origin": "https://a"})
    assert (head.status, head.headers["access-control-allow-origin"]) == (204, "*")
    head = await wire.ask("POST", f"{made.path}/{name}")
    assert head.status == 405


async def test_deleted_video_is_gone(served: Served, wire: Wire, made: Made) -> None:
    paths = [f"{made.path}/{name}" for name in (*LISTS, "hls1.mp4")]
    for path in paths:
        head, _ = await wire.get(path)
        assert head.status == 200
    execute(served.database_url, f"DELETE FROM videos WHERE id = {made.number}")
    await asyncio.sleep(FRESH_SECONDS + 0.1)
    for path in paths:
        head, _ = await wire.get(path)
        assert head.status == 404


async def test_foreign_view_is_played(empty_url: str, clip: bytes) -> None:
    execute(
        empty_url,
        "CREATE TABLE files (n bigint PRIMARY KEY, body bytea);"
        "CREATE VIEW videos AS SELECT n AS id, 'a.mp4'::text AS filename,"
        " 'video/mp4'::text AS mime_type, body AS video_data,"
        " NULL::timestamptz AS created_at FROM files",
    )
    with (
        closing(psycopg2.connect(empty_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("INSERT INTO files VALUES (7, %s)", (clip,))
    with bind("127.0.0.1", 0) as listening:
        async with (
            answering(build_app(empty_url), listening),
            connect(listening.getsockname()[1]) as wire,
        ):
            for name in LISTS:
                head, _ = await wire.get(f"/v3/videos/7/{name}")
                assert (head.status, "last-modified" in head.headers) == (200, False)
            _, body = await wire.get("/v3/videos/7/hls1.mp4")
            assert body == build(clip)


async def test_what_is_in_memory_takes_the_short_way(
    wire: Wire, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bool] = []

    def take(self: Connection, data: bytes) -> bool:
        taken.append(original(self, data))
        return taken[-1]

    original = Connection._take
    monkeypatch.setattr(Connection, "_take", take)
    asked = [
        (f"{made.path}/hls1.m3u8", {"Accept-Encoding": "gzip"}),
        (f"{made.path}/hls1-iframes.m3u8", {}),
        (f"{made.path}/hls1.m3u8", {"If-None-Match": "*"}),
        (f"{made.path}/hls1.mp4", {"Range": "bytes=0-200000"}),
        (f"{made.path}/hls1.mp4", {"Range": f"bytes={len(made.data)}-"}),
        (f"{made.path}/hls1.mp4", {"Range": "bytes=5-9,400000-400009"}),
        (f"{made.path}/hls1.mp4", {"If-Match": '"other"'}),
    ]
    long = [await wire.get(*each) for each in asked]
    assert not taken[0]
    short = [await wire.get(*each) for each in asked]
    assert taken[-len(asked) :] == [True] * len(asked)
    for (one, body), (other, same) in zip(long, short, strict=True):
        assert (one.status, body) == (other.status, same)
        assert _undated(one) == _undated(other)


def _undated(head: Head) -> dict[str, str]:
    return {name: value for name, value in head.headers.items() if name != "date"}


async def test_answers_are_counted(wire: Wire, made: Made) -> None:
    file = f"{made.path}/hls1.mp4"
    for _ in range(2):  # at length, and the short way
        await wire.get(f"{made.path}/hls1.m3u8")
        await wire.get(file, {"Range": "bytes=0-99"})
        await wire.get(file, {"Range": "bytes=100-199"})
        await wire.get(file, {"If-None-Match": "*"})
    await wire.get(file)
    await wire.ask("HEAD", file)
    _, text = await wire.get("/metrics")
    lines = text.decode().splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    for kind, count in {"init": 2, "part": 2, "whole": 1, "none": 2}.items():
        assert float(counts[f'bytereel_hls_answers_total{{kind="{kind}"}}']) == count
    for name, count in {"hls1.m3u8": 2, "hls1.mp4": 6}.items():
        route = f'route="/v3/videos/{{id}}/{name}",status="2xx"'
        assert float(counts[f"bytereel_requests_total{{{route}}}"]) == count
    assert float(counts["bytereel_layouts_made_total"]) == 1
    assert 0 < float(counts["bytereel_layout_bytes"]) < 1_000_000
