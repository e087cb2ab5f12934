"""The four steps over real sockets, against what players and edges really send."""

from __future__ import annotations

import asyncio
import json
import random
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.conftest import execute, insert_video
from tests.waiting import until
from tests.wire import Head, Wire, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Served

SIZE = 3_145_728
DATA = random.Random(5).randbytes(SIZE)
SMALL = bytes(range(100))


@pytest.fixture
def video(served: Served) -> str:
    """Return the path of a 3 MiB video."""
    return f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"


@pytest.fixture
def small(served: Served) -> str:
    """Return the path of a video of 100 bytes, for tables of edge cases."""
    return f"/v3/videos/{insert_video(served.database_url, 'small.mp4', SMALL)}"


@pytest_asyncio.fixture
async def wire(served: Served) -> AsyncIterator[Wire]:
    async with connect(served.port) as wire:
        yield wire


# Servers of renown fail these; the answers are those of RFC 9110, 13.1 to 14.2.
# {tag} stands for the video's entity tag, {date} for its date.
TRAPS: list[tuple[dict[str, str], int, str | None, bytes]] = [
    ({"Range": "bytes=0-0"}, 206, "bytes 0-0/100", SMALL[:1]),
    ({"Range": "bytes=-1"}, 206, "bytes 99-99/100", SMALL[99:]),
    ({"Range": "bytes=99-"}, 206, "bytes 99-99/100", SMALL[99:]),
    ({"Range": "bytes=-500"}, 206, "bytes 0-99/100", SMALL),
    ({"Range": "bytes=100-"}, 416, "bytes */100", b""),
    ({"Range": "bytes=-0"}, 416, "bytes */100", b""),
    ({"Range": "bytes=5-4"}, 200, None, SMALL),
    ({"Range": "items=0-5"}, 200, None, SMALL),
    ({"Range": "bytes=1_0-2_0"}, 200, None, SMALL),
    ({"Range": "bytes=+1-+5"}, 200, None, SMALL),
    ({"Range": "bytes=--5"}, 200, None, SMALL),
    ({"Range": f"bytes=0-{'9' * 4400}"}, 206, "bytes 0-99/100", SMALL),
    ({"Range": "bytes=0-1,200-"}, 206, "bytes 0-1/100", SMALL[:2]),
    ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200, None, SMALL),
    ({"Range": "bytes=0-1", "If-Range": "W/{tag}"}, 200, None, SMALL),
    (
        {"Range": "bytes=0-1", "If-Range": "Sat, 01 Jan 2050 00:00:00 GMT"},
        200,
        None,
        SMALL,
    ),
    ({"Range": "bytes=0-1", "If-Range": "{tag}"}, 206, "bytes 0-1/100", SMALL[:2]),
    ({"Range": "bytes=0-1", "If-Range": "{date}"}, 206, "bytes 0-1/100", SMALL[:2]),
    ({"Range": "bytes=0-1", "If-None-Match": "{tag}"}, 304, None, b""),
    ({"If-None-Match": "W/{tag}"}, 304, None, b""),
    ({"If-None-Match": '"a", {tag}'}, 304, None, b""),
]


@pytest.mark.parametrize(("headers", "status", "content_range", "body"), TRAPS)
async def test_traps_are_answered_by_the_rfc(
    wire: Wire,
    small: str,
    headers: dict[str, str],
    status: int,
    content_range: str | None,
    body: bytes,
) -> None:
    known = await wire.ask("HEAD", small)
    tag, date = known.headers["etag"], known.headers["last-modified"]
    filled = {n: v.format(tag=tag, date=date) for n, v in headers.items()}
    head, got = await wire.get(small, filled)
    assert (head.status, head.headers.get("content-range")) == (status, content_range)
    if status < 400:
        assert got == body


async def test_two_ranges_are_two_parts(wire: Wire, small: str) -> None:
    head, body = await wire.get(small, {"Range": "bytes=90-94,0-4"})
    assert head.status == 206
    kind = f"Content-Type: {head.headers['content-type']}\r\n\r\n".encode()
    _, *parts = message_from_bytes(kind + body).walk()
    assert [part["Content-Range"] for part in parts] == [
        "bytes 90-94/100",
        "bytes 0-4/100",
    ]
    assert [part.get_payload(decode=True) for part in parts] == [
        SMALL[90:95],
        SMALL[:5],
    ]


async def test_repeated_headers_are_one_list(wire: Wire, small: str) -> None:
    request = f"GET {small} HTTP/1.1\r\nHost: a\r\n"
    tag = (await wire.ask("HEAD", small)).headers["etag"]
    await wire.send(
        f'{request}If-None-Match: "a"\r\nIf-None-Match: {tag}\r\n\r\n'.encode()
    )
    assert (await wire.head()).status == 304
    twice = "Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n"
    await wire.send(f"{request}{twice}".encode())
    head = await wire.head()
    assert (head.status, await wire.read(head.length)) == (200, SMALL)


async def test_whole_video_arrives_byte_for_byte(wire: Wire, video: str) -> None:
    for target in (video, f"{video}.mp4"):
        head, body = await wire.get(target)
        assert head.status == 200
        assert body == DATA
        for name, value in {
            "content-type": "video/mp4",
            "content-length": str(SIZE),
            "cache-control": "public, max-age=31536000, immutable",
            "accept-ranges": "bytes",
            "etag": f'"video-{video.rpartition("/")[2]}"',
            "content-disposition": 'inline; filename="a.mp4"',
            "x-content-type-options": "nosniff",
            "access-control-allow-origin": "*",
        }.items():
            assert head.headers[name] == value
        assert "transfer-encoding" not in head.headers
        assert "content-encoding" not in head.headers


async def test_head_has_the_headers_alone(wire: Wire, video: str) -> None:
    head = await wire.ask("HEAD", video, {"Range": "bytes=0-1"})
    assert (head.status, head.length) == (200, SIZE)
    after, _ = await wire.get(video, {"Range": "bytes=0-1"})
    assert after.status == 206  # so nothing of a body came between


@pytest.mark.parametrize(
    "name",
    [
        "0",
        "01",
        "-1",
        "+1",
        "1.0",
        "abc",
        "1e3",
        "99999",
        "2147483648",
        "%D9%A1",
        "1.mp3",
        "1.mp4.mp4",
        "1/",
        "%31%00",
        "",
        "9" * 30,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_other_ids_are_not_found(wire: Wire, name: str, method: str) -> None:
    head = await wire.ask(method, f"/v3/videos/{name}")
    assert head.status == 404
    assert head.headers["cache-control"] == "no-store"
    if method == "GET":
        body = json.loads(await wire.read(head.length))
        assert list(body) == ["error"]


async def test_missing_video_has_the_words_of_the_plan(wire: Wire) -> None:
    _, body = await wire.get("/v3/videos/99999")
    assert json.loads(body) == {"error": "Video not found"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_other_methods_are_refused(wire: Wire, small: str, method: str) -> None:
    head = await wire.ask(method, small)
    assert head.status == 405
    assert set(head.headers["allow"].split(",")) >= {"GET", "HEAD", "OPTIONS"}
    assert list(json.loads(await wire.read(head.length))) == ["error"]


async def test_preflight_allows_ranges_and_conditions(wire: Wire, small: str) -> None:
    head = await wire.ask(
        "OPTIONS",
        small,
        {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        },
    )
    assert head.status == 204
    assert head.headers["access-control-allow-origin"] == "*"
    assert "Range" in head.headers["access-control-allow-headers"]
    assert "If-Range" in head.headers["access-control-allow-headers"]


# --- what AVPlayer asks -----------------------------------------------------------

PLAYER = {
    "X-Playback-Session-Id": "7B2F1C64-0B0E-4D4F-9D43-6E1E3F5A90C1",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": "AppleCoreMedia/1.0.0.22E240 (iPhone; U; CPU OS 18_4 like Mac OS X)",
    "Connection": "keep-alive",
}


async def ask_part(wire: Wire, target: str, first: int, last: int) -> Head:
    head = await wire.ask("GET", target, {**PLAYER, "Range": f"bytes={first}-{last}"})
    assert head.status == 206
    assert head.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert head.length == last - first + 1
    assert "transfer-encoding" not in head.headers
    return head


async def test_player_starts_a_faststart_clip(served: Served, video: str) -> None:
    async with connect(served.port) as one, connect(served.port) as two:
        await ask_part(one, video, 0, 1)
        assert await one.read(2) == DATA[:2]
        await ask_part(one, video, 0, SIZE - 1)
        assert await one.read(166_896) == DATA[:166_896]
        one.abort()
        await ask_part(two, video, 166_896, SIZE - 1)
        assert await two.read(SIZE - 166_896) == DATA[166_896:]


async def test_player_looks_for_the_index_at_the_end(
    served: Served, video: str
) -> None:
    async with connect(served.port) as one, connect(served.port) as two:
        await ask_part(one, video, 0, 1)
        await one.read(2)
        for first, last in ((0, 7), (24, 31), (32, 39)):
            await ask_part(one, video, first, last)
            assert await one.read(8) == DATA[first : last + 1]
        await ask_part(one, video, 0, SIZE - 1)
        await one.read(65_536)
        one.abort()
        await ask_part(two, video, 3_100_000, SIZE - 1)
        assert await two.read(45_728) == DATA[3_100_000:]
        await ask_part(two, video, 32, SIZE - 1)
        assert await two.read(SIZE - 32) == DATA[32:]


async def test_scrubbing_leaves_a_server_that_answers_rightly(
    served: Served, video: str
) -> None:
    dice = random.Random(7)

    async def scrub() -> None:
        for _ in range(10):
            first = dice.randrange(SIZE)
            async with connect(served.port) as wire:
                await ask_part(wire, video, first, SIZE - 1)
                taken = min(dice.randrange(32_768, 131_072), SIZE - first)
                assert await wire.read(taken) == DATA[first : first + taken]
                wire.abort()

    await asyncio.gather(scrub(), scrub(), scrub())
    async with connect(served.port) as wire:
        await ask_part(wire, video, SIZE - 1, SIZE - 1)
        assert await wire.read(1) == DATA[-1:]
    await until(lambda: served.store.database.counts.in_use == 0)


# --- what an edge asks ------------------------------------------------------------

EDGE = {
    "CF-Connecting-IP": "203.0.113.7",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "CF-Ray": "8f00000000000000-FRA",
    "CF-Visitor": '{"scheme":"https"}',
    "CDN-Loop": "cloudflare",
    "Accept-Encoding": "br, gzip",
    "Connection": "Keep-Alive",
}


async def test_edge_fills_its_cache_in_aligned_blocks(wire: Wire, video: str) -> None:
    mebibyte = 1 << 20
    tags = set()
    for first in range(0, SIZE, mebibyte):
        asked = f"bytes={first}-{first + mebibyte - 1}"
        headers = {**EDGE, "Accept-Encoding": "identity", "Range": asked}
        head, body = await wire.get(video, headers)
        assert (head.status, head.length) == (206, mebibyte)
        assert body == DATA[first : first + mebibyte]
        tags.add(head.headers["etag"])
    assert len(tags) == 1
    past = f"bytes={SIZE}-{SIZE + mebibyte - 1}"
    head, _ = await wire.get(video, {**EDGE, "Range": past})
    assert (head.status, head.headers["content-range"]) == (416, f"bytes */{SIZE}")


async def test_edge_renews_its_copy(wire: Wire, video: str) -> None:
    head, body = await wire.get(video, EDGE)
    assert (head.status, body) == (200, DATA)
    again = {
        "If-None-Match": f"W/{head.headers['etag']}",
        "If-Modified-Since": head.headers["last-modified"],
    }
    renewed, _ = await wire.get(video, {**EDGE, **again})
    assert renewed.status == 304
    for name in ("etag", "cache-control", "last-modified", "cache-tag"):
        assert renewed.headers[name] == head.headers[name]


# --- what goes wrong --------------------------------------------------------------


async def test_client_that_leaves_ends_the_reading(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "long.mp4", bytes(32 << 20))
    async with connect(uncached.port) as wire:
        await wire.ask("GET", f"/v3/videos/{number}")
        await wire.read(1000)
        wire.abort()
    await until(lambda: uncached.store.database.counts.in_use == 0)
    await asyncio.sleep(0.3)  # for what was read ahead
    before = uncached.store.reader.bytes_read
    await asyncio.sleep(0.3)
    assert 0 < uncached.store.reader.bytes_read == before < 8 << 20


async def test_video_deleted_while_it_is_sent_is_cut_short(served: Served) -> None:
    data = random.Random(6).randbytes(24 << 20)
    number = insert_video(served.database_url, "gone.mp4", data)
    async with connect(served.port) as wire:
        head = await wire.ask("GET", f"/v3/videos/{number}")
        assert head.length == len(data)
        execute(served.database_url, f"DELETE FROM videos WHERE id = {number}")
        body = await wire.rest()
    assert len(body) < len(data)
    assert data.startswith(body)


async def test_no_one_holds_a_connection_while_clients_are_slow(
    served: Served, video: str
) -> None:
    async with connect(served.port) as quick:
        slow = [connect(served.port) for _ in range(30)]
        for each in slow:
            wire = await each.__aenter__()
            await wire.ask("GET", video)
        await until(lambda: served.store.database.counts.in_use == 0)
        _, body = await quick.get(video)
        assert body == DATA
        for each in slow:
            await each.__aexit__(None, None, None)


async def test_broken_requests_get_an_answer_and_do_no_harm(
    served: Served, small: str
) -> None:
    ask = b"GET /v3/videos/1 HTTP/1.1\r\nHost: a\r\n"
    for request, status in (
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (ask + b"Range: " + b"1" * 33_000 + b"\r\n\r\n", 400),
        (ask + b"Bad Header: x\r\n\r\n", 400),
    ):
        async with connect(served.port) as wire:
            await wire.send(request)
            head = await wire.head()
            assert head.status == status
            assert head.headers["cache-control"] == "no-store"
            assert list(json.loads(await wire.read(head.length))) == ["error"]
    async with connect(served.port) as wire:
        _, body = await wire.get(small)
        assert body == SMALL
