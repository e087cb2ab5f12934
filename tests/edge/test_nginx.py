"""A real nginx in front, with the configuration that we ship."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import re
import subprocess
from argparse import ArgumentParser
from contextlib import asynccontextmanager, closing
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiohttp import web

from bench.stand.edge import running_edge
from bench.stand.process import find_port, raise_limit
from server.edge.nginx import add_nginx_config, render_nginx
from server.errors import Fault
from server.reading import store
from tests.clips import GOOD, make
from tests.conftest import (
    execute,
    insert_video,
    needs,
    open_folder,
    serve_database,
)
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from bench.stand.edge import Edge
    from tests.conftest import Served

pytestmark = needs("nginx")

MIB = 1 << 20
DATA = random.Random(7).randbytes(2 * MIB + 5)
SIZE = len(DATA)
OLD, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2050 00:00:00 GMT"
RANGES = [
    *("0-1", "0-", "0-0", "-1", "-500", f"-{SIZE + 5}", f"0-{SIZE - 1}", "-0"),
    *(f"{SIZE}-", f"{SIZE - 1}-", f"{9 * MIB}-{10 * MIB}", f"{SIZE - 9}-{9 * MIB}"),
    *(f"{MIB - 3}-{2 * MIB + 2}", f"{MIB}-{2 * MIB - 1}", f"{2 * MIB}-", "7"),
    *("0-1,4-5", "0-1,-1", f"0-1,{SIZE + 1}-", "0-9,5-15", "", "x", "0-1,", "1_0-2_0"),
    *("0-99999999999999999999999", "99999999999999999999999-", "4-5,0-1", "0-0, 9-9"),
]
HIDDEN = ("/metrics", "/api/metrics", "//metrics", "/%6detrics?x=1", "/a/../metrics")
SHOWN = (
    *("content-length", "content-range", "content-type", "etag", "last-modified"),
    *("access-control-allow-origin", "access-control-expose-headers", "allow"),
)


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path / "edge"


@pytest.fixture
def edge(uncached: Served, folder: Path) -> Iterator[Edge]:
    """Yield nginx in front of a server that reads every byte from the database."""
    with running_edge(folder, uncached.port, 100) as edge:
        yield edge


def ask(port: int, asked: Asked) -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", port, 20)) as connection:
        connection.putrequest(asked.method, asked.path, skip_accept_encoding=True)
        for name, value in asked.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())


async def get(port: int, path: str, span: str | None = None) -> Answer:
    headers = {} if span is None else {"Range": f"bytes={span}"}
    return await asyncio.to_thread(ask, port, Asked("GET", path, headers))


def list_asked(video: int, date: str) -> Iterator[Asked]:
    """Yield requests whose answers nginx and Varnish might think of differently."""
    path, tag = f"/v3/videos/{video}", f'"video-{video}"'
    yield Asked("GET", path, {"Range": f"bytes={9 * MIB}-"})  # not kept yet
    for span in RANGES:
        yield Asked("GET", path, {"Range": f"bytes={span}"})
    conditions = [
        *({"If-None-Match": text} for text in (tag, f"W/{tag}", f'"x", {tag}', "*")),
        *({"If-None-Match": text} for text in ('"x"', "rubbish")),
        *({"If-Match": text} for text in (tag, f"W/{tag}", '"x"', "*")),
        *({"If-Range": text} for text in (tag, f"W/{tag}", '"x"', date, FUTURE, "x")),
        *({"If-Modified-Since": text} for text in (date, OLD, FUTURE, "rubbish")),
        *({"If-Unmodified-Since": text} for text in (date, OLD, FUTURE)),
        {"If-None-Match": '"x"', "If-Modified-Since": date},
    ]
    for condition in conditions:
        yield Asked("HEAD", path, condition)
        yield Asked("GET", f"{path}.mp4", {"Range": "bytes=1-2", **condition})
    for header in ({"If-None-Match": tag}, {"If-Modified-Since": FUTURE}):
        yield Asked("GET", path, header)
        yield Asked("GET", path, {"Range": f"bytes={9 * MIB}-", **header})
    yield Asked("GET", path, {"Range": "items=0-5"})
    yield Asked("HEAD", f"{path}.mp4", {"Range": "bytes=0-1"})
    for method in ("OPTIONS", "POST", "GET"):
        yield Asked(method, f"{path}.mp4?viewer=1")
    for missing in ("99", "99.mp4", "0", "01", "x", "2147483648", "99999999999", "1/"):
        yield Asked("GET", f"/v3/videos/{missing}", {"Range": "bytes=0-1"})
    yield Asked("HEAD", "/v3/videos/99.mp4")


def compare(
    origin: int, edge: int, asked: list[Asked], errors: tuple[str, ...] = SHOWN[1:]
) -> list[str]:
    """Return what differs; of an error only these headers are looked at."""
    faults = []
    for one in asked:
        expected = ask(origin, one)
        found = ask(edge, one._replace(path=f"/api{one.path}"))
        shown = [name for name in SHOWN if name in expected.headers]
        if expected.status >= 400:
            shown = [name for name in errors if name in expected.headers]
        kept = {name: found.headers.get(name) for name in shown}
        right = {name: expected.headers[name] for name in shown}
        same_body = expected.status >= 400 or expected.body == found.body
        if (expected.status, right) != (found.status, kept) or not same_body:
            faults.append(f"{one}: {expected.status} {found.status} {right} {kept}")
    return faults


async def test_answers_are_the_origins(uncached: Served, edge: Edge) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    date = (await get(uncached.port, f"/v3/videos/{number}")).headers["last-modified"]
    asked = list(list_asked(number, date))
    assert not await asyncio.to_thread(compare, uncached.port, edge.port, asked)
    found = await get(edge.port, f"/v3/videos/{number}", "0-1")
    assert found.headers["accept-ranges"] == "bytes"
    assert "immutable" in found.headers["cache-control"]
    assert found.headers["x-cache-status"] == "HIT"
    missing = await get(edge.port, "/v3/videos/99")
    assert json.loads(missing.body) == {"error": "Video not found"}
    past = await get(edge.port, f"/v3/videos/{number}", f"{SIZE}-")
    assert "no bytes" in json.loads(past.body)["error"]
    assert "no-store" in past.headers["cache-control"]


async def test_an_empty_video_is_empty_there_too(uncached: Served, edge: Edge) -> None:
    number = insert_video(uncached.database_url, "a.mp4", b"")
    path = f"/v3/videos/{number}"
    asked = [Asked(method, path) for method in ("GET", "HEAD", "GET")]
    asked += [Asked("GET", path, {"Range": f"bytes={span}"}) for span in RANGES[:8]]
    assert not await asyncio.to_thread(compare, uncached.port, edge.port, asked)


async def test_viewers_at_once_cost_one_read(uncached: Served, edge: Edge) -> None:
    raise_limit()
    reader = uncached.store.reader
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    path = f"/v3/videos/{number}"

    async def view(path: str, span: slice | None) -> tuple[int, bytes]:
        async with connect(edge.port) as wire:
            headers = {"Range": f"bytes={span.start}-{span.stop - 1}"} if span else {}
            head, body = await wire.get(path, headers)
            return head.status, body

    whole = [view(path, None) for _ in range(25)]
    parts = [view(f"/api{path}.mp4", slice(MIB - 9, SIZE)) for _ in range(25)]
    answers = await asyncio.gather(*whole, *parts)
    assert answers == [(200, DATA)] * 25 + [(206, DATA[MIB - 9 :])] * 25
    assert reader.bytes_read == SIZE
    small = insert_video(uncached.database_url, "b.mp4", DATA[:20_000])
    crowd = [view(f"/v3/videos/{small}", None) for _ in range(1000)]
    assert set(await asyncio.gather(*crowd)) == {(200, DATA[:20_000])}
    assert reader.bytes_read == SIZE + 20_000
    lost = await asyncio.gather(*(view("/v3/videos/99", None) for _ in range(50)))
    assert {status for status, _ in lost} == {404}


async def test_what_the_edge_has_plays_without_the_origin(
    database_url: str, folder: Path
) -> None:
    kept = insert_video(database_url, "a.mp4", DATA)
    part = insert_video(database_url, "b.mp4", DATA)
    port = find_port()
    with running_edge(folder, port, 100) as edge:
        down = await get(edge.port, "/v3/videos/99")
        assert (down.status, "reached" in json.loads(down.body)["error"]) == (502, True)
        assert down.headers["cache-control"] == "no-store"
        async with serving_at(port, database_url):
            await get(edge.port, f"/v3/videos/{kept}")
            await get(edge.port, f"/v3/videos/{part}", "0-1")
            make_stale(folder)
            again = await get(edge.port, f"/v3/videos/{kept}", f"{MIB}-")
            assert again.headers["x-cache-status"] == "REVALIDATED"
            assert again.body == DATA[MIB:]
            make_stale(folder)
        whole = await get(edge.port, f"/v3/videos/{kept}.mp4")
        assert (whole.status, whole.body) == (200, DATA)
        assert whole.headers["x-cache-status"] == "STALE"
        for span, body in (
            ("-5", DATA[-5:]),
            (f"{MIB - 1}-{MIB}", DATA[MIB - 1 : MIB + 1]),
        ):
            found = await get(edge.port, f"/api/v3/videos/{kept}", span)
            assert (found.status, found.body) == (206, body)
        assert (await get(edge.port, f"/v3/videos/{part}", f"{MIB}-")).status == 502


@asynccontextmanager
async def serving_at(port: int, url: str) -> AsyncIterator[None]:
    """Run a server whose connections end with it, behind this port."""
    async with serve_database(url, cache_bytes=0) as served:
        relays: set[asyncio.Task[None]] = set()

        async def relay(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            there = await asyncio.open_connection("127.0.0.1", served.port)
            for source, sink in ((reader, there[1]), (there[0], writer)):
                relays.add(asyncio.create_task(pump(source, sink)))

        async with await asyncio.start_server(relay, "127.0.0.1", port):
            yield
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(MIB):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def make_stale(folder: Path) -> None:
    """Put what nginx keeps out of date (ngx_http_cache.h: valid_sec comes second)."""
    for path in list_kept(folder):
        with path.open("r+b") as file:
            file.seek(8)
            file.write((1).to_bytes(8, "little"))


def list_kept(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


async def test_a_deleted_video_is_forgotten_by_the_command_in_the_file(
    uncached: Served, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FRESH_SECONDS", 0.0)
    first, other = (
        insert_video(uncached.database_url, name, DATA) for name in ("a.mp4", "b.mp4")
    )
    for number in (first, other):
        await get(edge.port, f"/v3/videos/{number}.mp4")
    execute(uncached.database_url, f"DELETE FROM videos WHERE id = {first}")
    assert (await get(edge.port, f"/v3/videos/{first}")).body == DATA
    await forget(edge, first)
    for span in (None, "0-1", f"{MIB}-", "-5"):
        for path in (f"/v3/videos/{first}", f"/api/v3/videos/{first}.mp4"):
            assert (await get(edge.port, path, span)).status == 404
    kept = await get(edge.port, f"/v3/videos/{other}", f"{MIB}-")
    assert (kept.body, kept.headers["x-cache-status"]) == (DATA[MIB:], "HIT")


async def forget(edge: Edge, video: int) -> None:
    """Run the command in the file, which forgets video 5, for another one."""
    text = (edge.folder / "nginx.conf").read_text()
    script = "\n".join(re.findall(r"(?m)^# {3,}(.+)", text))
    script = script.replace(".5(bytes", f".{video}(bytes")
    await asyncio.to_thread(subprocess.run, script, shell=True, check=True, timeout=60)


async def test_pictures_are_kept_until_they_are_forgotten(
    uncached: Served, edge: Edge, tmp_path: Path
) -> None:
    url = uncached.database_url
    data = make(tmp_path / "a", GOOD).read_bytes()
    first, other = (insert_video(url, name, data) for name in ("a.mp4", "b.mp4"))
    names = ["preview.webp", "thumbnail?time=0.2"]
    execute(url, "UPDATE videos SET duration_seconds = 1")
    for path in (
        f"/v3/videos/{each}/{name}" for each in (first, other) for name in names
    ):
        made = await get(edge.port, f"/api{path}")
        kept = await get(edge.port, path)
        assert (made.status, made.headers["x-cache-status"]) == (200, "MISS")
        assert (kept.body, kept.headers["x-cache-status"]) == (made.body, "HIT")
        assert kept.headers["etag"] == made.headers["etag"]
        part = await get(edge.port, path, "0-1")
        assert (part.status, part.body) == (200, made.body)
        fresh = {"If-None-Match": made.headers["etag"]}
        asked = Asked("GET", path, fresh)
        assert (await asyncio.to_thread(ask, edge.port, asked)).status == 304
    for name in (
        "thumbnail",
        "storyboard.vtt",
        "thumbnail?time=x",
        "thumbnail?time=.3",
    ):
        for _ in range(2):
            found = await get(edge.port, f"/v3/videos/{first}/{name}")
            assert (found.status >= 400, found.headers["x-cache-status"]) == (
                True,
                "MISS",
            )
    assert len(list_kept(edge.folder)) == 4
    await get(edge.port, f"/v3/videos/{first}/thumbnail?time=0.3")  # for one client
    assert len(list_kept(edge.folder)) == 4
    execute(url, f"DELETE FROM videos WHERE id = {first}")
    await forget(edge, first)
    statuses = [
        (await get(edge.port, f"/v3/videos/{each}/preview.webp")).status
        for each in (first, other)
    ]
    assert statuses == [404, 200]


async def test_nothing_private_is_kept(uncached: Served, edge: Edge) -> None:
    user = "11111111-1111-4111-8111-111111111111"
    paths = [
        *(f"/v3/next-review-words-batch?user_id={user}", "/v3/reviews", "/v3/views"),
        *(
            "/v3/admin/videos",
            "/v3/admin/videos/1",
            "/admin",
            f"/practice?user_id={user}",
        ),
        *("/", "/readyz", "/openapi.json", "/worker.js", "/assets/x/practice/index.js"),
    ]
    for path in paths:
        for _ in range(2):
            found = await get(edge.port, f"/api{path}")
            expected = await get(uncached.port, path)
            assert (found.status, found.body) == (expected.status, expected.body), path
            assert "x-cache-status" not in found.headers
    for path in ("/.origin/v3/videos/1", "/.past", "/.sentence"):
        assert (await get(edge.port, path)).status == 404
    assert list_kept(edge.folder) == []


async def test_text_is_compressed_and_video_is_not(
    uncached: Served, edge: Edge
) -> None:
    number = insert_video(uncached.database_url, "a.mp4", bytes(MIB))
    for path, encoding in (
        ("/openapi.json", "gzip"),
        ("/assets/x/practice/index.js", "gzip"),
        (f"/v3/videos/{number}", None),
        (f"/v3/videos/{number}.mp4?x", None),
    ):
        for span in ({}, {"Range": "bytes=0-5000"}):
            headers = {"Accept-Encoding": "gzip", **span}
            found = await asyncio.to_thread(ask, edge.port, Asked("GET", path, headers))
            assert found.headers.get("content-encoding") == encoding


class Echo(NamedTuple):
    """An origin that notes what reaches it."""

    port: int
    seen: list[web.Request]
    begun: asyncio.Event  # an upload
    go_on: asyncio.Event


@asynccontextmanager
async def listening() -> AsyncIterator[Echo]:
    seen: list[web.Request] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        if request.path == "/reads":
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            await go_on.wait()
            return response
        taken = 0
        async for data in request.content.iter_any():
            taken += len(data)
            begun.set()
        return web.Response(text=f"{taken}")

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    port = find_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Echo(port, seen, begun, go_on)
    finally:
        await runner.cleanup()


async def test_the_origin_learns_who_asks_but_not_for_a_slice(folder: Path) -> None:
    known = {
        "Cookie": "secret=1",
        "Authorization": "Bearer secret",
        "X-Forwarded-For": "203.0.113.7",
        "Accept-Encoding": "gzip",
    }
    async with listening() as echo:
        with running_edge(folder, echo.port, 100) as edge:
            async with connect(edge.port) as wire:
                for path in ("/api/v3/reviews", "/api/v3/videos/5.mp4"):
                    await wire.get(path, known)
            api, slice_ = (request.headers for request in echo.seen)
            assert api["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1"
            assert api["X-Real-IP"] == "127.0.0.1"
            assert api["X-Forwarded-Proto"] == "http"
            assert (api["Host"], api["Cookie"]) == ("video.example", "secret=1")
            assert slice_["Range"] == f"bytes=0-{MIB - 1}"
            assert slice_["Accept-Encoding"] == "identity"
            assert slice_["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1"
            assert not {"Cookie", "Authorization", "User-Agent"} & slice_.keys()
            assert [request.path for request in echo.seen] == [
                "/v3/reviews",
                "/v3/videos/5",
            ]
            assert "Connection" not in api
            for path in HIDDEN:
                found = await get(edge.port, path)
                body = json.loads(found.body)
                assert (found.status, body) == (404, {"error": "Not Found"})
            for path in (
                "/api/.origin/metrics",
                "/api/.origin/v3/videos/../../metrics",
            ):
                await get(edge.port, path)
            assert not any(request.path == "/metrics" for request in echo.seen)
            for _ in range(9):
                await get(edge.port, "/healthz")
            transports = {id(request.protocol) for request in echo.seen}
            assert len(transports) <= (os.cpu_count() or 1)  # one for each nginx worker


async def test_uploads_and_events_pass_as_they_come(folder: Path) -> None:
    def head(path: str, length: int) -> bytes:
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: a",
            f"Content-Length: {length}",
            "",
            "",
        ]
        return "\r\n".join(lines).encode()

    async with listening() as echo:
        with running_edge(folder, echo.port, 100) as edge:
            async with connect(edge.port) as wire:
                await wire.send(head("/api/v3/admin/uploads", SIZE) + DATA[:99])
                async with asyncio.timeout(20):
                    await echo.begun.wait()
                await wire.send(DATA[99:])
                found = await wire.head()
                assert await wire.read(found.length) == f"{SIZE}".encode()
            async with connect(edge.port) as wire:
                await wire.send(head("/v3/admin/uploads/x", 1 << 40))
                assert (await wire.head()).status == 413
            async with connect(edge.port) as wire:
                await wire.send(head("/v3/reviews", SIZE))
                found = await wire.head()
                assert found.status == 413
                assert b"error" in await wire.read(found.length)
            async with connect(edge.port) as wire:
                assert (await wire.ask("GET", "/reads")).status == 200
                assert b"data: 1" in await wire.read(12)
                echo.go_on.set()


def run_command(*arguments: str) -> int:
    parser = ArgumentParser()
    add_nginx_config(parser.add_subparsers())
    options = parser.parse_args(["nginx-config", *arguments])
    status: int = options.run(options)
    return status


def test_the_command_prints_what_nginx_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    assert run_command("--cache-dir", f"{folder}", "--cache-mb", "7") == 0
    printed = capsys.readouterr().out
    assert printed == render_nginx("80", "127.0.0.1:8080", folder, 7)
    (folder / "nginx.conf").write_text(printed)
    command = ["nginx", "-t", "-c", f"{folder}/nginx.conf", "-g"]
    done = subprocess.run(
        [*command, f"pid {folder}/pid;"], capture_output=True, text=True
    )
    assert "syntax is ok" in done.stderr


def test_the_end_of_an_answer_is_not_held_back(folder: Path) -> None:
    lines = render_nginx("80", "127.0.0.1:8080", folder, 7).splitlines()
    assert not any("tcp_nopush" in line.partition("#")[0] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "80; include /etc/passwd"], "write --listen as host:port"),
        (["--listen", "99999"], "no port from 1 to 65535"),
        (["--origin", "http://127.0.0.1:8080/"], "write --origin as host:port"),
        (["--cache-dir", "cache"], "choose a --cache-dir that begins with /"),
        (["--cache-dir", '/a"; b'], "choose a --cache-dir"),
        (["--cache-mb", "0"], "give at least 1"),
    ],
)
def test_a_value_that_would_break_the_file_is_refused(
    arguments: list[str], said: str
) -> None:
    with pytest.raises(Fault, match=said):
        run_command(*arguments)
