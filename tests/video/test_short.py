"""The short way for short answers; it leans on private names of aiohttp."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.reading.store import STALLED_MANY
from server.serving import connection
from server.serving.clients import LIMITS
from server.video import short as hot
from server.video.handler import parse_asked
from tests.breakable import breakable
from tests.conftest import execute, insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served

CMCD = ("CMCD-Status", "CMCD-Request", "CMCD-Object", "CMCD-Session")
SIZE = 2 << 20
DATA = random.Random(16).randbytes(SIZE)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each request: was it taken from aiohttp?"""
    seen: list[bool] = []

    def take(self: connection.Connection, data: bytes) -> bool:
        taken = original(self, data)
        seen.append(taken)
        return taken

    original = connection.Connection._take
    monkeypatch.setattr(connection.Connection, "_take", take)
    return seen


HEAD = b"GET /v3/videos/7.mp4 HTTP/1.1\r\nHost: a\r\n"
SPEC = b"Range: bytes=5-9\r\n"
LINES = [
    *(SPEC, b"Range: bytes=-5\r\n", b"range:\tbytes=0-9,20-29 \r\n", b"Range:\r\n"),
    *(b"Range: bytes=\r\n", b'If-Range: "a"\r\n', b"if-none-match: *\r\n"),
    *(
        b"Connection: Keep-Alive\r\n",
        b"connection: close\r\n",
        b"Expect: 100-continue\r\n",
    ),
    *(b"Host: b\r\n", b"User-Agent: c\r\n", b"User-Agent: d\r\n", b"Accept: */*\r\n"),
    *(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n"),
    *(
        b"Content-Length: 5\r\n",
        b"Sec-WebSocket-Key1: e\r\n",
        b"Server: f\r\n",
        b"ETag: g\r\n",
    ),
    *(
        b" folded\r\n",
        b"No colon\r\n",
        b"Space : h\r\n",
        b": i\r\n",
        b"J: \xc3\xa4\r\n",
    ),
    *(b"CMCD-Status: bs\r\n", b"cmcd-request:\tbl=5 \r\n", b"CMCD-Other: x\r\n"),
    *(b"CMCD-Object: \xc3\xa4\r\n", b"X: CMCD-Object: y\r\n"),
    *(b"K: \x00\r\n", b"L: m\n", b"N: o\rP: q\r\n", b"\r\n", b"GET / HTTP/1.1\r\n"),
]


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (HEAD + b"\r\n", {}),
        (HEAD + SPEC + b"\r\n", {"Range": "bytes=5-9"}),
        (HEAD + b"RANGE: bytes=5-9 \r\n\r\n", {"Range": "bytes=5-9"}),
        (HEAD + SPEC + b"Range: bytes=1-1\r\n\r\n", None),
        (HEAD + b"range: a\r\nrange: b\r\n\r\n", {"Range": "a, b"}),
        (HEAD + b"Connection: keep-alive\r\n\r\n", {}),
        (HEAD + b"Connection: close\r\n\r\n", None),
        (HEAD + b"Proxy-Connection: close\r\n\r\n", None),
        (HEAD + b"X: " + bytes([65]) * hot.HEAD_BYTES + b"\r\n\r\n", None),
        (HEAD + b"X: y\r\n" * 100 + b"\r\n", None),
        (HEAD + SPEC, None),
        (HEAD + b"\r\n" + HEAD + b"\r\n", None),
        (HEAD + b"\r\nbody", None),
        (HEAD.replace(b"Host", b"Hose") + b"\r\n", None),
        (HEAD.replace(b"1.1", b"1.0") + b"\r\n", None),
        (HEAD.replace(b"/7", b"/07") + b"\r\n", None),
        (HEAD.replace(b".mp4", b"?viewer=1") + b"\r\n", None),
        (HEAD.replace(b".mp4", b"?CMCD=bs&viewer=1") + b"\r\n", None),
        (HEAD.replace(b".mp4", b"?CMCD=bs&CMCD=su") + b"\r\n", None),
        (HEAD.replace(b"a\r", b"a?CMCD=b HTTP/1.1\r") + b"\r\n", None),
        (HEAD + b"CMCD-Status: bs\r\n folded\r\n\r\n", None),
        (HEAD + b"CMCD-Status: \xe4\r\n\r\n", None),
        (HEAD + b"CMCD-Status: bs\r\n\r\nbody", None),
        (HEAD + b"\r\nCMCD-Status: bs\r\n", None),
        (HEAD + b"CMCD-Object: o\r\n\r\nCMCD-Status: bs\r\n\r\n", None),
        (HEAD + b"CMCD-Status: bs\r\n" * 5 + b"\r\n", None),
        (HEAD.replace(b"GET", b"HEAD") + b"\r\n", None),
    ],
)
def test_simple_requests_are_read_here(
    data: bytes, asked: dict[str, str] | None
) -> None:
    assert hot.parse_short(data) == (None if asked is None else hot.Short(7, asked))


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"CMCD-Status: bs\r\n" + SPEC + b"\r\n",
        HEAD + b"CMCD-Request: mtp=9,su\r\n" + SPEC + b"cmcd-object:br=5\r\n\r\n",
        HEAD.replace(b".mp4", b".mp4?CMCD=br%3D5%2Cbs") + SPEC + b"\r\n",
        HEAD.replace(b".mp4", b"?CMCD=") + SPEC + b"\r\n",
    ],
)
def test_what_players_tell_chooses_no_answer(data: bytes) -> None:
    before = hot.parse_head.cache_info().currsize
    assert hot.parse_short(data) == hot.Short(7, {"Range": "bytes=5-9"}, has_cmcd=True)
    hot.parse_short(data.replace(b"bs", b"su").replace(b"br", b"tb"))
    assert hot.parse_head.cache_info().currsize <= before + 1


@pytest.mark.parametrize("name", ["hls1.mp4", "hls1.m3u8"])
def test_players_of_hls_may_tell_as_well(name: str) -> None:
    data = HEAD.replace(b".mp4", f"/{name}?CMCD=bl%3D5".encode()) + b"\r\n"
    assert hot.parse_short(data) == hot.Short(7, {}, name, has_cmcd=True)


@given(st.lists(st.sampled_from(LINES), max_size=5))
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_read_here_aiohttp_reads_the_same(lines: list[bytes]) -> None:
    data = HEAD + b"".join(lines) + b"\r\n"
    asked = hot.parse_short(data)
    if asked is None:
        return
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        ((message, body),), upgraded, rest = parser.feed_data(data)
    finally:
        loop.close()
    assert (message.method, message.path) == ("GET", "/v3/videos/7.mp4")
    assert not message.should_close
    assert not message.upgrade
    assert not upgraded
    assert not rest
    assert body.is_eof()
    told = any(name in message.headers for name in CMCD)
    assert asked == hot.Short(7, parse_asked(message.headers), has_cmcd=told)
    method, target, headers = hot.read_request(data)
    assert (method, target) == (message.method, message.path)
    assert list(map(str.lower, headers)) == list(map(str.lower, message.headers))
    assert list(headers.values()) == list(message.headers.values())


async def test_value_of_a_header_is_no_request(served: Served) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    async with connect(served.port) as wire:
        await wire.get(target, {"Range": "bytes=0-9"})
        await wire.send(b"GET /healthz HTTP/1.1\r\nX: ")
        await asyncio.sleep(0.05)  # so that the next comes in a piece of its own
        head, _ = await wire.get(target, {"Range": "bytes=0-9"})
        assert (head.status, "etag" in head.headers) == (200, False)
        head, body = await wire.get(target, {"Range": "bytes=0-9"})
        assert (head.status, body) == (206, DATA[:10])


async def test_body_of_a_request_is_no_request(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    hidden = f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n"
    async with connect(served.port) as wire:
        await wire.get(f"/v3/videos/{number}", {"Range": "bytes=0-9"})
        for text in (hidden[:20], hidden):
            head = (
                "POST /v3/views HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
                f"Content-Length: {len(text)}\r\n\r\n"
            )
            await wire.send(head.encode())
            await asyncio.sleep(0.05)
            await wire.send(text.encode())
            answer = await wire.head()
            assert answer.status == 400
            await wire.read(answer.length)
            _, body = await wire.get(f"/v3/videos/{number}", {"Range": "bytes=0-9"})
            assert body == DATA[:10]


HOT = [
    {"Range": "bytes=0-65535"},
    {"Range": "bytes=1000-200000"},
    {"Range": "bytes=-70000"},
    {"Range": "bytes=0-9,100000-100009"},
    {"Range": f"bytes={SIZE}-"},
    {"If-None-Match": "*"},
    {"If-Match": '"other"'},
]
COLD = [
    {},
    {"Range": "bytes=0-"},
    {"Range": "bytes=0-1", "Connection": "close"},
    {"Range": "bytes=0-1", "Expect": "100-continue"},
]


@pytest.mark.parametrize("cache_bytes", [64_000_000, 0])
async def test_short_answers_take_the_short_way(
    database_url: str, answered: list[bool], cache_bytes: int
) -> None:
    async with serve_database(database_url, cache_bytes=cache_bytes) as served:
        target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
        async with connect(served.port) as wire:
            _, body = await wire.get(target)
            assert body == DATA
            answered.clear()
            for headers in HOT:
                await wire.get(target, headers)
            assert answered == [True] * len(HOT)


async def test_bytes_are_those_of_the_ranges(served: Served, uncached: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    dice = random.Random(17)
    for port in (served.port, uncached.port):
        async with connect(port) as wire:
            for _ in range(100):
                first = dice.randrange(SIZE)
                last = first + dice.randrange(330_000)
                asked = {"Range": f"bytes={first}-{last}"}
                _, body = await wire.get(f"/v3/videos/{number}", asked)
                assert body == DATA[first : last + 1]


async def test_requests_sent_ahead_are_answered_in_order(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    firsts = range(0, 1_000_000, 10_000)
    asked = [
        f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\n"
        f"Range: bytes={first}-{first + 9_999}\r\n\r\n"
        for first in firsts
    ]
    async with connect(uncached.port) as wire:
        await wire.get(f"/v3/videos/{number}", {"Range": "bytes=0-9"})
        for request in asked[:50]:
            await wire.send(request.encode())
            await asyncio.sleep(0)
        await wire.send("".join(asked[50:]).encode())
        for first in firsts:
            head = await wire.head()
            assert await wire.read(head.length) == DATA[first : first + 10_000]


async def test_deleted_video_is_not_found_by_the_short_way(
    uncached: Served, answered: list[bool]
) -> None:
    target = f"/v3/videos/{insert_video(uncached.database_url, 'a.mp4', DATA)}"
    async with connect(uncached.port) as wire:
        await wire.get(target, {"Range": "bytes=0-9"})
        execute(uncached.database_url, "DELETE FROM videos")
        head, _ = await wire.get(target, {"Range": "bytes=0-9"})
        assert (head.status, answered[-1]) == (404, True)
        head, _ = await wire.get(target, {"Range": "bytes=0-9"})
        assert head.status == 404


async def test_server_that_stops_answers_what_it_reads_for(
    database_url: str, answered: list[bool]
) -> None:
    target = f"/v3/videos/{insert_video(database_url, 'a.mp4', DATA)}"
    tail = {"Range": "bytes=-9"}
    async with breakable(database_url) as proxy:
        server = serve_database(proxy.url, cache_bytes=0)
        port = (await server.__aenter__()).port
        async with connect(port) as wire, connect(port) as leaver:
            await leaver.get(target, tail)
            proxy.stall()
            left = asyncio.create_task(leaver.get(target, tail))
            asked = asyncio.create_task(wire.get(target, tail))
            async with asyncio.timeout(20):
                while len(answered) < 3:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0)
            left.cancel()
            leaver.abort()
            stopping = asyncio.create_task(server.__aexit__(None, None, None))
            await asyncio.sleep(0.1)
            proxy.resume()
            _, body = await asked
            await stopping
    assert (body, answered) == (DATA[-9:], [False, True, True])


async def test_short_way_is_closed_while_many_clients_stall(
    uncached: Served, answered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"/v3/videos/{insert_video(uncached.database_url, 'a.mp4', DATA)}"
    async with connect(uncached.port) as wire:
        await wire.get(target, {"Range": "bytes=0-9"})
        monkeypatch.setattr(uncached.store, "stalled", STALLED_MANY + 1)
        await wire.get(target, {"Range": "bytes=0-9"})
        monkeypatch.setattr(uncached.store, "stalled", 0)
        await wire.get(target, {"Range": "bytes=0-9"})
        assert answered == [False, False, True]


@pytest.mark.parametrize("headers", HOT)
async def test_both_ways_give_the_same_answer(
    served: Served, uncached: Served, headers: dict[str, str]
) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    answers = []
    for port in (served.port, uncached.port):
        async with connect(port) as wire:
            await wire.get(f"/v3/videos/{number}")
            head, body = await wire.get(f"/v3/videos/{number}", headers)
            del head.headers["date"]
            answers.append((head, body))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("headers", COLD)
async def test_other_requests_take_the_long_way(
    served: Served, answered: list[bool], headers: dict[str, str]
) -> None:
    target = f"/v3/videos/{insert_video(served.database_url, 'a.mp4', DATA)}"
    async with connect(served.port) as wire:
        await wire.get(target)
        answered.clear()
        head = await wire.ask("GET", target, headers)
        if head.status == 100:
            head = await wire.head()
        assert await wire.read(head.length) == DATA[: head.length]
    assert not any(answered)


async def test_idle_connection_is_closed_in_time(database_url: str) -> None:
    target = f"/v3/videos/{insert_video(database_url, 'a.mp4', DATA)}"
    limits = LIMITS._replace(keepalive_seconds=0.3)
    async with (
        serve_database(database_url, cache_bytes=1_000_000, limits=limits) as served,
        connect(served.port) as wire,
    ):
        for _ in range(4):
            _, body = await wire.get(target, {"Range": "bytes=0-9"})
            assert body == DATA[:10]
        assert await wire.rest() == b""
