from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from bench.stand.edge import running_edge
from bench.stand.process import find_port
from server.edge.commands import add_edge_commands
from server.edge.totals import Totals
from server.edge.warm import Clip, RateLimit, Warmed, list_clips
from server.errors import Fault
from server.serving.listen import bind
from tests.conftest import (
    _fresh,
    execute,
    insert_video,
    needs,
    open_folder,
    serve_database,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bench.stand.edge import Edge

MIB = 2**20
SIZES = (100, MIB, MIB + 1, 3 * MIB + 5)


class Place(NamedTuple):
    """Four videos, the oldest of them first, and a server of theirs."""

    url: str
    port: int
    ids: list[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(cluster: str, template: str) -> AsyncIterator[Place]:
    for url in _fresh(cluster, template):
        ids = [insert_video(url, f"{size}.mp4", b"a" * size) for size in SIZES]
        earlier = "created_at = now() - interval '9 day'"
        execute(url, f"UPDATE videos SET {earlier} WHERE id = {ids[0]}")
        async with serve_database(url, cache_bytes=0) as served:
            yield Place(url, served.port, ids)


def run(url: str, *arguments: str) -> int:
    """Run the command as the command line would."""
    parser = argparse.ArgumentParser()
    list(add_edge_commands(parser.add_subparsers()))
    options = parser.parse_args(["warm", *arguments])
    return int(options.act(url, options))


async def warm(place: Place, port: int, *arguments: str) -> int:
    base = f"http://127.0.0.1:{port}"
    return await asyncio.to_thread(run, place.url, "--base-url", base, *arguments)


@needs("nginx")
@pytest.mark.asyncio(loop_scope="module")
async def test_second_run_fetches_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_folder() as folder, running_edge(folder / "edge", place.port, 99) as edge:
        await watch_start(edge, place.ids[3])
        assert await warm(place, edge.port, "--new", "5", "--json") == 0
        first = json.loads(capsys.readouterr().out)
        assert first["before"] == {"MISS": 3}  # one of which lacks its end only
        assert first["after"] == {"HIT": 3}
        assert first["fetched_bytes"] == sum(SIZES[1:])
        assert await warm(place, edge.port) == 0
        second = capsys.readouterr().out
        assert "before: 3 HIT, 1 MISS\nafter: 4 HIT\nfetched 100 B, 0 failed" in second
        assert await warm(place, edge.port, "--json", "--anew") == 0
        assert json.loads(capsys.readouterr().out)["fetched_bytes"] == sum(SIZES)


async def watch_start(edge: Edge, video: int) -> None:
    """Have an edge keep what a player asks for first."""
    url = f"http://127.0.0.1:{edge.port}/v3/videos/{video}.mp4"
    probe = {"Range": "bytes=0-1"}
    async with ClientSession() as session, session.get(url, headers=probe) as response:
        assert len(await response.read()) == 2


@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_fails_stops_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault, sentence in (
        ("503", "it is a 503"),
        ("redirect", "it is a 302 to /elsewhere"),
        ("late 503", "it is a 503"),
        ("short", "99 bytes came, the table has 100"),
        ("long", "more than 100 bytes came"),
        ("cut", "50 of 100 bytes came, then the connection was closed early"),
        ("reset", "the connection was closed"),
    ):
        async with breaking_edge(place.ids[0], fault) as port:
            assert await warm(place, port) == 1
        told = capsys.readouterr()
        assert f"/v3/videos/{place.ids[0]}.mp4: {sentence}" in told.err
        assert "after: 3 unknown" in told.out
        assert "fetches all anew" in told.out


@asynccontextmanager
async def breaking_edge(broken: int, fault: str) -> AsyncIterator[int]:
    """Yield the port of an edge that says nothing of itself and breaks one video."""

    async def answer(request: web.Request) -> web.StreamResponse:
        video = int(request.match_info["id"])
        size = SIZES[video - broken]
        probing = "Range" in request.headers
        if video != broken or (probing and fault not in ("503", "redirect", "reset")):
            return web.Response(body=b"a" * (1 if probing else size))
        if fault == "redirect":
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        if "503" in fault:
            return web.Response(status=503)
        assert request.transport is not None
        if fault == "reset":
            request.transport.abort()
        if fault == "cut":
            response = web.StreamResponse()
            response.content_length = size
            await response.prepare(request)
            await response.write(b"a" * (size // 2))
            request.transport.close()
            return response
        return web.Response(body=b"a" * (size + (1 if fault == "long" else -1)))

    async with listening(answer) as port:
        yield port


@asynccontextmanager
async def listening(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/v3/videos/{id}.mp4", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    with bind("127.0.0.1", 0) as socket:
        await web.SockSite(runner, socket).start()
        try:
            yield socket.getsockname()[1]
        finally:
            await runner.cleanup()


@pytest.mark.asyncio(loop_scope="module")
async def test_edge_that_keeps_nothing_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        size = 1 if "Range" in request.headers else SIZES[0]
        told = {"CF-Cache-Status": "DYNAMIC"}
        return web.Response(body=b"a" * size, headers=told)

    execute(place.url, f"INSERT INTO video_views VALUES ({place.ids[0]}, now(), 9)")
    async with listening(answer) as port:
        assert await warm(place, port, "--most", "1", "--mbps", "800") == 3
    told = capsys.readouterr().out
    assert "before: 1 DYNAMIC\nafter: 1 DYNAMIC\n" in told
    assert "1 are not kept though they were fetched" in told


@pytest.mark.asyncio(loop_scope="module")
async def test_proxy_gets_the_requests(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        writer.write(b"HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nContent-Length: 1\r\n\r\na")
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        arguments = ["--proxy", there, "--concurrency", "1", "--json"]
        base = "http://edge.invalid/api/"
        status = await asyncio.to_thread(
            run, place.url, "--base-url", base, *arguments, "--new", "5"
        )
    assert status == 0
    assert json.loads(capsys.readouterr().out)["before"] == {"HIT": 3}
    assert asked[0] == f"http://edge.invalid/api/v3/videos/{place.ids[3]}.mp4"
    assert len(asked) == 4 + 2 + 1  # a byte of each MiB


def test_most_viewed_and_newest_come_first(place: Place) -> None:
    oldest, *_, newest = place.ids
    assert [clip.video_id for clip in list_clips(place.url, None, None)][-1] == oldest
    assert oldest not in [clip.video_id for clip in list_clips(place.url, 5, None)]
    execute(
        place.url,
        "TRUNCATE video_views; INSERT INTO video_views (video_id, day, started) VALUES"
        f" ({oldest}, '2026-01-01', 3), ({oldest}, '2026-01-02', 3),"
        f" ({newest}, '2026-01-01', 5)",
    )
    assert list_clips(place.url, None, 9) == [
        Clip(oldest, SIZES[0]),
        Clip(newest, SIZES[3]),
    ]
    assert list_clips(place.url, None, 1) == [Clip(oldest, SIZES[0])]


def test_what_cannot_be_done_is_one_sentence(database_url: str) -> None:
    nobody = f"http://127.0.0.1:{find_port()}"
    for number in range(12):
        insert_video(database_url, f"{number}.mp4", b"a")
    execute(database_url, "DROP TABLE video_views")
    for arguments, sentence in (
        (["--base-url", "host"], "is not a URL of the web"),
        (["--base-url", nobody, "--path", "/v/5.mp4"], "names no video"),
        (["--base-url", nobody, "--path", "{id}.mp4"], "names no video"),
        (["--base-url", nobody, "--proxy", "squid:3128"], "is not a URL of the web"),
        (["--base-url", nobody, "--most", "5"], "lacks a table"),
        (["--base-url", nobody], "10 videos in a row got no answer .Connection"),
    ):
        with pytest.raises(Fault, match=sentence) as raised:
            run(database_url, *arguments)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mbps", "0"],
        ["--mbps", "nan"],
        ["--new", "-1"],
        ["--new", "soon"],
        ["--most", "0"],
        ["--most", "1", "--new", "1"],
        ["--concurrency", "1.5"],
    ],
)
def test_wrong_flag_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run("", "--base-url", "http://127.0.0.1", *arguments)
    assert raised.value.code == 2


def test_pace_is_that_of_all_together() -> None:
    pace = RateLimit(8)  # a million bytes a second
    assert pace.plan(5.0, 500_000) == pytest.approx(0.5)
    assert pace.plan(5.25, 250_000) == pytest.approx(0.5)
    assert pace.plan(9.0, 1_000_000) == pytest.approx(1.0)
    assert RateLimit(None).plan(1.0, 10**9) == 0


def test_totals_know_what_was_lost() -> None:
    totals = Totals()
    assert totals.render() == "There was no video to fetch."
    for before, after in (("MISS", "HIT"), ("HIT", "HIT"), ("MISS", "BYPASS")):
        totals.add(Warmed(1, "u", before, after, 10))
    assert (totals.lost, totals.status, totals.fetched) == (1, 3, 30)
    assert totals.render_short() == "1 were kept, 0 failed"
    totals.add(Warmed(7, "u", error="it is a 404"))
    assert totals.status == 1
    assert totals.as_json()["failed"] == [
        {"video_id": 7, "url": "u", "error": "it is a 404"}
    ]
