"""What HLS players ask for, through a real nginx as we ship it."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.stand.edge import running_edge
from server.demo.samples import make_clip
from server.reading import store
from tests.conftest import execute, insert_video, needs, open_folder
from tests.edge.test_nginx import (
    MIB,
    Asked,
    ask,
    compare,
    forget,
    get,
    list_kept,
    make_stale,
)
from tests.hls.test_handler import list_ranges
from tests.hls.virtual import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.stand.edge import Edge
    from tests.conftest import Served

pytestmark = needs("nginx")

CODINGS = ("gzip", "gzip, deflate, br", "br, GZIP;q=0.5", "br;q=1, gzip ; q=1.0")
PLAIN = ("", "identity", "br", "gzip;q=0", "x-gzip", "gzip;q=0.000, br")
LISTS = ("master.m3u8", "hls1.m3u8", "hls1-iframes.m3u8")


class Clip(NamedTuple):
    """A video that is served, and the file that HLS plays."""

    number: int
    path: str
    data: bytes


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a clip of more than a slice, whose playlists are worth compressing."""
    path: Path = tmp_path_factory.mktemp("hls") / "clip.mp4"
    make_clip(path, seconds=14, width=320, height=180, bit_rate=800_000, fps=10)
    return path.read_bytes()


@pytest.fixture
def edge(uncached: Served) -> Iterator[Edge]:
    with (
        open_folder() as folder,
        running_edge(folder / "edge", uncached.port, 100) as edge,
    ):
        yield edge


@pytest.fixture
def made(uncached: Served, clip: bytes) -> Clip:
    number = insert_video(uncached.database_url, "a.mp4", clip)
    return Clip(number, f"/v3/videos/{number}", build(clip))


async def test_every_segment_comes_out_of_slices(
    uncached: Served, edge: Edge, made: Clip
) -> None:
    reader = uncached.store.reader
    spans = list_ranges((await get(edge.port, f"{made.path}/hls1.m3u8")).body.decode())
    assert len(made.data) > MIB
    assert spans[-1].stop == len(made.data)
    before = reader.bytes_read
    for times in range(2):
        for span in spans:
            asked = f"{span.start}-{span.stop - 1}"
            found = await get(edge.port, f"/api{made.path}/hls1.mp4", asked)
            assert (found.status, found.body) == (206, made.data[slice(*_ends(span))])
            assert times == 0 or found.headers["x-cache-status"] == "HIT"
    assert reader.bytes_read - before < len(made.data)  # once, without the heads
    whole = await get(edge.port, f"{made.path}/hls1.mp4")
    assert (whole.status, whole.body) == (200, made.data)
    assert "immutable" in whole.headers["cache-control"]


def _ends(span: range) -> tuple[int, int]:
    return span.start, span.stop


async def test_answers_are_the_origins(
    uncached: Served, edge: Edge, made: Clip
) -> None:
    found = await get(uncached.port, f"{made.path}/hls1.mp4")
    size, date = len(made.data), found.headers["last-modified"]
    tag = found.headers["etag"]
    file, asked = f"{made.path}/hls1.mp4", []
    for span in ("0-1", "-1", f"{MIB - 3}-{MIB + 2}", f"{size}-", "0-1,4-5", "x"):
        asked.append(Asked("GET", file, {"Range": f"bytes={span}"}))
    for condition in (
        *({"If-None-Match": text} for text in (tag, f"W/{tag}", '"x"', "*")),
        *({"If-Match": text} for text in (tag, '"x"')),
        *({"If-Range": text} for text in (tag, f'"video-{made.number}"', date)),
        {"If-Modified-Since": date},
    ):
        asked.append(Asked("HEAD", file, condition))
        asked.append(Asked("GET", file, {"Range": "bytes=1-2", **condition}))
    asked += [Asked(method, file) for method in ("OPTIONS", "POST")]
    asked += [Asked("GET", f"/v3/videos/99/{name}") for name in (*LISTS, "hls1.mp4")]
    for name in LISTS:
        path = f"{made.path}/{name}"
        asked += [Asked(each, path) for each in ("GET", "HEAD", "OPTIONS", "POST")]
        asked.append(Asked("GET", path, {"Range": "bytes=0-6"}))
        asked.append(Asked("GET", path, {"Range": "bytes=0-1,4-5"}))
        asked.append(Asked("GET", path, {"If-Match": '"x"'}))
        for query in ("start=2", "start=2&end=4", "start=x", "end=1&end=2", "viewer=1"):
            asked.append(Asked("GET", f"{path}?{query}"))
    assert not await asyncio.to_thread(compare, uncached.port, edge.port, asked)


@pytest.mark.parametrize("name", LISTS)
async def test_playlists_are_kept_once_for_each_coding(
    uncached: Served, edge: Edge, made: Clip, name: str
) -> None:
    path = f"{made.path}/{name}"
    plain = await get(uncached.port, path)
    tags = set()
    for number, coding in enumerate((*CODINGS, *PLAIN)):
        headers = {"Accept-Encoding": coding} if coding else {}
        found = await asyncio.to_thread(ask, edge.port, Asked("GET", path, headers))
        packed = found.headers.get("content-encoding") == "gzip"
        assert packed == (coding in CODINGS and len(plain.body) >= 500), coding
        assert (gzip.decompress(found.body) if packed else found.body) == plain.body
        is_first = number in (0, len(CODINGS))
        assert found.headers["x-cache-status"] == ("MISS" if is_first else "HIT")
        assert found.headers["vary"] == "Accept-Encoding"
        for header in ("cache-control", "content-type", "access-control-allow-origin"):
            assert found.headers[header] == plain.headers[header]
        tags.add(found.headers["etag"])
        fresh = {**headers, "If-None-Match": found.headers["etag"]}
        again = await asyncio.to_thread(ask, edge.port, Asked("GET", path, fresh))
        assert (again.status, again.body) == (304, b"")
    assert len(tags) == (2 if len(plain.body) >= 500 else 1)
    assert len(list_kept(edge.folder)) == 2


async def test_master_is_asked_for_anew_when_its_minute_is_over(
    uncached: Served, edge: Edge, made: Clip
) -> None:
    url, path = uncached.database_url, f"{made.path}/master.m3u8"
    for state in ("MISS", "HIT"):
        found = await get(edge.port, path)
        assert found.headers["x-cache-status"] == state
    make_stale(edge.folder)
    same = await get(edge.port, path)
    assert same.headers["x-cache-status"] == "REVALIDATED"
    insert = "INSERT INTO captions (video_id, language, vtt) VALUES"
    execute(url, f"{insert} ({made.number}, 'de', 'WEBVTT\n')")
    assert b"SUBTITLES" not in (await get(edge.port, path)).body
    make_stale(edge.folder)
    assert b"SUBTITLES" in (await get(edge.port, path)).body
    listed = await get(edge.port, f"{made.path}/captions/de.m3u8")
    assert (listed.status, listed.headers["cache-control"]) == (
        200,
        "public, max-age=60",
    )


async def test_parts_and_errors_are_not_kept(
    uncached: Served, edge: Edge, made: Clip
) -> None:
    for query in ("start=2", "start=2.5&end=4", "x", "CMCD=bs&start=2", "CMCD=bs;x"):
        found = await get(edge.port, f"{made.path}/hls1.m3u8?{query}")
        assert (found.status, found.headers["x-cache-status"]) == (200, "BYPASS")
    unfit = insert_video(uncached.database_url, "b.mp4", b"no video" * 20)
    for path in (f"/v3/videos/{unfit}/hls1.m3u8", "/v3/videos/99/master.m3u8"):
        for _ in range(2):
            found = await get(edge.port, path)
            assert (found.status, found.headers["x-cache-status"]) == (404, "MISS")
    assert list_kept(edge.folder) == []


async def test_what_players_tell_splits_no_cache(
    uncached: Served, edge: Edge, made: Clip
) -> None:
    for name in (*LISTS, "hls1.mp4"):
        plain = await get(edge.port, f"{made.path}/{name}")
        for told in ("bl%3D2100%2Cbs", "start%3D2%26end%3D4", ""):
            found = await get(edge.port, f"{made.path}/{name}?CMCD={told}")
            assert found.headers["x-cache-status"] == "HIT"
            assert found.body == plain.body
            assert found.headers["etag"] == plain.headers["etag"]
    kept = len(list_kept(edge.folder))
    fresh = await get(edge.port, f"{made.path}/captions/de.m3u8?CMCD=bs")
    assert fresh.status == 404
    assert len(list_kept(edge.folder)) == kept


async def test_a_deleted_video_is_forgotten(
    uncached: Served, edge: Edge, made: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FRESH_SECONDS", 0.0)
    paths = [f"{made.path}/{name}" for name in (*LISTS, "hls1.mp4")]
    for path in paths:
        assert (await get(edge.port, path)).status == 200
    execute(uncached.database_url, f"DELETE FROM videos WHERE id = {made.number}")
    await forget(edge, made.number)
    for path in paths:
        assert (await get(edge.port, path)).status == 404
