"""Cloudflare as a client: the requests it sends to an origin, and what it must get.

Its documentation: Range requests, ETag headers, Cache behavior, HTTP headers.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from server.serving.clients import LIMITS
from tests.conftest import insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served
    from tests.wire import Head, Wire

MIB = 1 << 20
SIZE = 3 * MIB + 5
DATA = random.Random(58).randbytes(SIZE)
CLOUDFLARE = {
    "CF-Connecting-IP": "203.0.113.7",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "CF-Ray": "8f00000000000000-FRA",
    "CF-Visitor": '{"scheme":"https"}',
    "CF-IPCountry": "DE",
    "CDN-Loop": "cloudflare; loops=1",
    "Accept-Encoding": "br, gzip",
    "Connection": "Keep-Alive",
    "Accept": "*/*",
    "User-Agent": "AppleCoreMedia/1.0.0.22E240 (iPhone; U; CPU OS 18_4 like Mac OS X)",
    "X-Playback-Session-Id": "7B2F1C64-0B0E-4D4F-9D43-6E1E3F5A90C1",
}
BY_BLOCKS = CLOUDFLARE | {"Accept-Encoding": "identity"}


def check_cacheable(head: Head, number: int) -> None:
    """Hold the answer to what Cloudflare asks of one that it is to keep."""
    assert head.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert head.headers["etag"] == f'"video-{number}"'
    assert head.headers["cache-tag"] == f"video-{number}"
    assert head.headers["accept-ranges"] == "bytes"
    assert head.headers["last-modified"].endswith(" GMT")
    for unwanted in ("set-cookie", "vary", "content-encoding", "transfer-encoding"):
        assert unwanted not in head.headers
    assert head.headers.get("connection", "keep-alive") == "keep-alive"


async def check_blocks(wire: Wire, path: str, ends: list[tuple[int, int]]) -> None:
    """Ask for blocks; each must come as asked or up to the end, of one same whole."""
    wholes = set()
    for first, last in ends:
        span = {"Range": f"bytes={first}-{last}"}
        head, body = await wire.get(path, BY_BLOCKS | span)
        check_cacheable(head, int(path.split("/")[3].removesuffix(".mp4")))
        stop = min(last + 1, SIZE)
        assert head.status == 206
        assert head.headers["content-range"] == f"bytes {first}-{stop - 1}/{SIZE}"
        assert body == DATA[first:stop]
        wholes.add((head.headers["etag"], head.headers["last-modified"]))
    assert len(wholes) == 1


@pytest.mark.parametrize("cache_bytes", [0, 64_000_000])
async def test_cloudflare_fills_its_cache_and_revalidates(
    cache_bytes: int, database_url: str
) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    path = f"/v3/videos/{number}.mp4"
    async with (
        serve_database(database_url, cache_bytes=cache_bytes) as served,
        connect(served.port) as wire,  # one connection for everything
    ):
        cold, body = await wire.get(path, CLOUDFLARE)
        assert (cold.status, body) == (200, DATA)
        check_cacheable(cold, number)

        tag, date = cold.headers["etag"], cold.headers["last-modified"]
        both = {"If-None-Match": tag, "If-Modified-Since": date}
        weak = {"If-None-Match": f"W/{tag}"}
        for condition in (both, weak, both | weak, {"If-Modified-Since": date}):
            head, body = await wire.get(path, CLOUDFLARE | condition)
            assert (head.status, body) == (304, b"")
            check_cacheable(head, number)
            assert head.headers["last-modified"] == date
        changed = {"If-None-Match": '"video-0"', "If-Modified-Since": date}
        head, body = await wire.get(path, CLOUDFLARE | changed)
        assert (head.status, body) == (200, DATA)

        before = served.store.reader.bytes_read
        head = await wire.ask("HEAD", path, CLOUDFLARE)  # of what it does not cache
        assert (head.status, head.length) == (200, SIZE)
        check_cacheable(head, number)
        assert served.store.reader.bytes_read == before


async def test_cloudflare_asks_for_blocks(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    path = f"/v3/videos/{number}"
    blocks = [(first, first + MIB - 1) for first in range(0, SIZE, MIB)]
    async with connect(uncached.port) as wire:
        await check_blocks(wire, path, blocks)  # the last one ends past the end
        assert uncached.store.reader.bytes_read == SIZE
        await check_blocks(wire, f"{path}.mp4", [(2 * MIB, SIZE - 1), (0, SIZE - 1)])
        past = {"Range": f"bytes={4 * MIB}-{5 * MIB - 1}"}
        head, body = await wire.get(path, BY_BLOCKS | past)
        assert (head.status, head.headers["content-range"]) == (416, f"bytes */{SIZE}")
        assert head.headers["cache-control"] == "no-store"
        assert b"error" in body
        missing, _ = await wire.get("/v3/videos/999.mp4", BY_BLOCKS | past)
        assert (missing.status, missing.headers["cache-control"]) == (404, "no-store")
        await check_blocks(wire, path, blocks[:1])  # the connection is still good


async def test_a_visitor_who_leaves_an_uncached_answer_takes_only_that(
    uncached: Served,
) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    async with connect(uncached.port) as gone:
        span = {"Range": f"bytes=2202010-{SIZE - 1}"}
        head = await gone.ask("GET", f"/v3/videos/{number}", CLOUDFLARE | span)
        assert head.headers["content-range"] == f"bytes 2202010-{SIZE - 1}/{SIZE}"
        await gone.read(1000)
        gone.abort()
    async with connect(uncached.port) as wire:
        await check_blocks(wire, f"/v3/videos/{number}", [(2 * MIB, 3 * MIB - 1)])


def test_a_connection_outlasts_cloudflares_patience() -> None:
    assert (
        LIMITS.keepalive_seconds > 900
    )  # it reuses one for so long; who closes first loses


async def test_all_that_a_visitor_adds_is_read(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA[:9])
    many = {f"X-Visitor-{count}": "x" * 900 for count in range(24)}
    one = {"Cookie": "a=" + "x" * 16000}
    async with connect(uncached.port) as wire:
        for more in (many, one):
            head, body = await wire.get(f"/v3/videos/{number}", CLOUDFLARE | more)
            assert (head.status, body) == (200, DATA[:9])
