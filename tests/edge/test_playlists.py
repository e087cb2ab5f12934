"""check-edge of HLS: sound edges, and edges that each break one thing."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest
import pytest_asyncio
from yarl import URL

from bench.stand.edge import running_edge
from server.demo.samples import make_clip
from server.edge.answers import EdgeAnswer, EdgeProbe
from server.edge.commands import add_edge_commands
from server.edge.examine import Asked
from server.edge.examine_playlists import examine_playlists, move
from server.edge.playlists import WHOLE, find_variant, read_media, unpack
from server.errors import Fault
from tests import broken_edges as broken
from tests.broken_edges import Edge, Reply, breaking, header, instead
from tests.conftest import _fresh, insert_video, needs, open_folder, serve_database
from tests.edge.test_examine import OF_PLAYLISTS, list_codes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import web

    from server.edge.examine import EdgeReport

in_loop = pytest.mark.asyncio(loop_scope="module")

Break: TypeAlias = "Callable[[web.Request, Reply, Edge], None]"


def only(suffix: str, change: Break) -> Break:
    """Return a break of the paths that end so."""

    def change_some(request: web.Request, reply: Reply, edge: Edge) -> None:
        if request.path.endswith(suffix):
            change(request, reply, edge)

    return change_some


def keep_first_coding(request: web.Request, reply: Reply, edge: Edge) -> None:
    """Send what was sent first, whatever is accepted."""
    if reply.status == 200:
        first = edge.kept.setdefault(request.path, reply)
        reply.headers, reply.body = first.headers, first.body


def pack_always(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 200 and "Content-Encoding" not in reply.headers:
        reply.body = gzip.compress(reply.body)
        reply.headers["Content-Encoding"] = "gzip"


def drop_segment(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 200 and "Content-Encoding" not in reply.headers:
        reply.body = reply.body.replace(b"#EXT-X-ENDLIST\n", b"")


def drop_ranges(request: web.Request, reply: Reply, edge: Edge) -> None:
    instead(200, "application/vnd.apple.mpegurl", b"#EXTM3U\n#EXTINF:2,\na.ts\n")(
        request, reply, edge
    )
    reply.headers["Access-Control-Allow-Origin"] = "*"
    reply.headers["Cache-Control"] = "public, max-age=31536000"


BROKEN: dict[str, tuple[Break, str]] = {
    "sound": (broken.be_sound, ""),
    "page": (instead(200), "no-playlist"),
    "absent": (instead(404, "application/json"), "not-found"),
    "unfit": (instead(404, body=b'{"code": "hls-codec"}'), "not-found"),
    "forbidden": (instead(403), "forbidden"),
    "down": (instead(503), "unavailable"),
    "media gone": (only("hls1.m3u8", instead(403)), "forbidden"),
    "media page": (only("hls1.m3u8", instead(200)), "no-playlist"),
    "no ranges": (only("hls1.m3u8", drop_ranges), "no-playlist"),
    "file gone": (only(".mp4", instead(404)), "not-found"),
    "type": (only("m3u8", header(Content_Type="text/plain")), "content-type"),
    "file type": (only("mp4", header(Content_Type="text/plain")), "content-type"),
    "no cors": (header(Access_Control_Allow_Origin=None), "no-cors"),
    "one coding": (only("hls1.m3u8", keep_first_coding), "not-compressed"),
    "always packed": (only("hls1.m3u8", pack_always), "wrong-coding"),
    "other list": (only("hls1.m3u8", drop_segment), "wrong-coding"),
    "day": (only("master.m3u8", header(Cache_Control="max-age=99")), "kept-too-long"),
    "private": (only("hls1.m3u8", header(Cache_Control="private")), "uncacheable"),
    "vary": (only("hls1.m3u8", header(Vary="*")), "vary-star"),
    "200 to ranges": (broken.ignore_range, "range-ignored"),
    "shifted": (broken.shift_range, "wrong-content-range"),
    "other bytes": (broken.flip_parts, "other-bytes"),
    "broken off": (only("master.m3u8", broken.break_off), "short-body"),
    "404 kept": (broken.keep_404, "error-cached"),
    "dynamic": (header(CF_Cache_Status="DYNAMIC", CF_Ray="1"), "not-cached"),
}  # fmt: skip


class Place(NamedTuple):
    """An origin with one video, and the broken edges before it."""

    origin: str
    path: str
    edges: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    file: Path = tmp_path_factory.mktemp("clip") / "a.mp4"
    make_clip(file, seconds=40, width=160, height=90, fps=5)
    data = await asyncio.to_thread(file.read_bytes)
    for url in _fresh(cluster, template):
        video = insert_video(url, "a.mp4", data)
        breaks = {name: change for name, (change, _) in BROKEN.items()}
        async with (
            serve_database(url, cache_bytes=64_000_000) as served,
            breaking(served.port, breaks) as edges,
        ):
            path = f"/v3/videos/{video}/master.m3u8"
            yield Place(f"http://127.0.0.1:{served.port}", path, edges)


async def look(url: str, origin: str | None = None) -> EdgeReport:
    there = URL(origin) if origin else None
    asked = Asked(URL(url), there, 10**7, 5, pauses=(0, 0.05), error_pause=0.05)
    return await examine_playlists(asked)


@in_loop
@pytest.mark.parametrize("name", BROKEN)
async def test_broken_edge_is_named_and_nothing_else(place: Place, name: str) -> None:
    report = await look(f"{place.edges}/{name}{place.path}", place.origin)
    expected = BROKEN[name][1]
    assert list_codes(report) == ({expected} if expected else set()), report.findings
    assert all(each.remedy for each in report.findings)


def test_each_kind_of_playlists_is_found() -> None:
    found = {code for _, code in BROKEN.values()}
    assert OF_PLAYLISTS - found == {"other-playlist"}  # below


@in_loop
async def test_origin_alone_is_sound(place: Place) -> None:
    for name in ("master.m3u8", "hls1.m3u8"):
        url = place.origin + place.path.replace("master.m3u8", name)
        report = await look(url)
        assert {each.code for each in report.findings} == {"http-local", "no-edge"}
    assert report.answers["segment"].status == 206


@in_loop
async def test_edge_alone_is_judged_by_itself(place: Place) -> None:
    report = await look(f"{place.edges}/other bytes{place.path}")
    assert list_codes(report) == {"wrong-bytes"}
    report = await look(f"{place.edges}/day{place.path}")
    assert list_codes(report) == set()  # nobody says that it is to be a minute


@in_loop
async def test_other_videos_playlist_is_not_the_same(place: Place) -> None:
    url = f"{place.edges}/sound{place.path}"
    report = await look(url.replace("master", "hls1"), f"{place.edges}/other list")
    assert list_codes(report) == {"other-playlist"}


@in_loop
@needs("nginx")
async def test_nginx_as_we_ship_it_is_sound(place: Place) -> None:
    port = int(place.origin.rpartition(":")[2])
    with open_folder() as folder, running_edge(folder / "edge", port, 9) as edge:
        url = f"http://127.0.0.1:{edge.port}/api{place.path}"
        report = await look(url, place.origin)
        assert list_codes(report) == set(), report.findings
        for name in ("again", "playlist again"):
            assert report.answers[name].headers["x-cache-status"] == "HIT"


def run(*arguments: str) -> int:
    """Run a command as the command line would."""
    parser = argparse.ArgumentParser()
    list(add_edge_commands(parser.add_subparsers()))
    options = parser.parse_args(["check-edge", *arguments])
    return int(options.run(options))


@in_loop
async def test_command_follows_a_playlist(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, status in (("sound", 0), ("no cors", 3), ("page", 1)):
        url = f"{place.edges}/{name}{place.path}"
        assert await asyncio.to_thread(run, url, "--json") == status
        told = json.loads(capsys.readouterr().out)
        if status == 0:
            assert [row["question"] for row in told["rows"]] == [
                *("playlist", "playlist packed", "media", "media packed"),
                *("init", "segment", "again", "playlist again", "missing"),
            ]
    url = f"{place.edges}/sound{place.path}"
    with pytest.raises(Fault, match="check --origin"):
        await asyncio.to_thread(run, url, "--origin", f"{place.edges}/absent")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://a", "http://a/v3/videos/5/hls1.m3u8?start=2"),
        ("http://a/b/", "http://a/b/v3/videos/5/hls1.m3u8?start=2"),
        ("http://a/v3/videos/9/x.m3u8", "http://a/v3/videos/5/hls1.m3u8?start=2"),
    ],
)
def test_origin_has_its_own_prefix(origin: str, expected: str) -> None:
    url = URL("https://edge/api/v3/videos/5/hls1.m3u8?start=2")
    assert str(move(url, URL(origin))) == expected


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("#EXTM3U\n#EXT-X-STREAM-INF:A=1\n\n#x\n../a.m3u8\n", "../a.m3u8"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:A=1\n", None),
        ("#EXTM3U\na.m3u8\n", None),
        ("", None),
    ],
)
def test_first_variant_is_read(text: str, variant: str | None) -> None:
    assert find_variant(text) == variant


def test_media_playlist_without_ranges_is_none() -> None:
    init = '#EXT-X-MAP:URI="a",BYTERANGE="9@0"\n'
    segment = "#EXTINF:2,\n#EXT-X-BYTERANGE:5@9\na\n"
    media = read_media(init + segment)
    assert media is not None
    assert (media.init.span, media.segment.span) == (range(9), range(9, 14))
    for text in ("", init, segment, init + segment[:-2], init.replace("9@0", "9")):
        assert read_media(text) is None


def test_packed_text_that_is_none_is_no_playlist() -> None:
    for body in (b"#EXTM3U", gzip.compress(b"x"), b""):
        told = {"content-encoding": "gzip"}
        answer = EdgeAnswer(EdgeProbe("x"), 200, told, parts={WHOLE: body})
        assert unpack(answer) is None
    answer = answer._replace(parts={WHOLE: gzip.compress(b"#EXTM3U\r\n")})
    assert unpack(answer) == "#EXTM3U\n"
