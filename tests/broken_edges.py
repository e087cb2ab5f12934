"""Edges that each break one thing: http://…/NAME/v3/videos/5.mp4, before a real origin.

A break takes the request and the origin's answer, and changes that or returns another.
"""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import ClientSession, web
from multidict import CIMultiDict

from server.serving.listen import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PASSED = ("Range", "If-None-Match", "If-Modified-Since", "If-Range", "Accept-Encoding")
FLIPPED = bytes(range(255, -1, -1))
CHALLENGE = b"<!DOCTYPE html><title>Just a moment...</title>"


@dataclass
class Reply:
    """What goes out."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    chunked: bool = False
    promised: int = 0  # Content-Length, of which less comes
    whole: bytes = b""  # the video, whatever was asked

    def turn_whole(self) -> None:
        self.status, self.body = 200, self.whole
        self.headers.popall("Content-Range", None)


@dataclass
class Edge:
    """What an edge remembers."""

    kept: dict[object, Reply] = field(default_factory=dict)
    asked: int = 0


def header(**values: str | None) -> Callable[[web.Request, Reply, Edge], None]:
    """Return a break that sets headers of every good answer, or takes them away."""

    def change(request: web.Request, reply: Reply, edge: Edge) -> None:
        if reply.status not in (200, 206, 304):
            return
        for name, value in values.items():
            reply.headers.popall(name.replace("_", "-"), None)
            if value is not None:
                reply.headers[name.replace("_", "-")] = value

    return change


def instead(
    status: int, kind: str = "text/html", body: bytes = b"<html>", **headers: str
) -> Callable[[web.Request, Reply, Edge], None]:
    """Return a break that answers every request in one way."""

    def change(request: web.Request, reply: Reply, edge: Edge) -> None:
        reply.status, reply.body = status, body
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        reply.headers = CIMultiDict({"Content-Type": kind, **told})

    return change


def ignore_range(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status in (206, 416):
        reply.turn_whole()


def ignore_whole_range(request: web.Request, reply: Reply, edge: Edge) -> None:
    if request.headers.get("Range") == f"bytes=0-{len(reply.whole) - 1}":
        reply.turn_whole()


def ignore_suffix(request: web.Request, reply: Reply, edge: Edge) -> None:
    if request.headers.get("Range", "").startswith("bytes=-"):
        reply.turn_whole()


def start_suffix_at_0(request: web.Request, reply: Reply, edge: Edge) -> None:
    if request.headers.get("Range", "").startswith("bytes=-"):
        reply.body = reply.whole[:500]
        reply.headers["Content-Range"] = f"bytes 0-499/{len(reply.whole)}"


def chunk(request: web.Request, reply: Reply, edge: Edge) -> None:
    reply.chunked = reply.status in (200, 206)


def chunk_whole(request: web.Request, reply: Reply, edge: Edge) -> None:
    reply.chunked = reply.status == 200


def compress(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 200 and "gzip" in request.headers.get("Accept-Encoding", ""):
        reply.body = gzip.compress(reply.whole, 1)
        reply.headers.popall("Accept-Ranges", None)
        reply.headers["ETag"] = f"W/{reply.headers['ETag']}"
        reply.headers["Vary"] = "Accept-Encoding"
        reply.headers["Content-Encoding"] = "gzip"
        reply.chunked = True


def change_total(by: int) -> Callable[[web.Request, Reply, Edge], None]:
    def change(request: web.Request, reply: Reply, edge: Edge) -> None:
        if reply.status in (206, 416):
            start, _, total = reply.headers["Content-Range"].partition("/")
            reply.headers["Content-Range"] = f"{start}/{int(total) + by}"

    return change


def hide_total(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 206:
        start, _, _ = reply.headers["Content-Range"].partition("/")
        reply.headers["Content-Range"] = f"{start}/*"


def shift_range(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 206:
        size = len(reply.whole)
        reply.headers["Content-Range"] = f"bytes 4-{len(reply.body) + 3}/{size}"


def keep_without_range(request: web.Request, reply: Reply, edge: Edge) -> None:
    first = edge.kept.setdefault(request.path, reply)
    if reply.status == 206:
        reply.body, reply.headers = first.body, first.headers


def flip_everywhere(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status in (200, 206):
        reply.body = reply.body.translate(FLIPPED)


def flip_parts(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 206:
        flip_everywhere(request, reply, edge)


def cut_file(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 200:
        reply.body = reply.body[:-1000]


def break_off(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 200 and request.method == "GET":
        reply.promised, reply.body = len(reply.body), reply.body[:-1000]


def tell_whole_length(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 206:
        reply.promised = len(reply.whole)


def change_tag(request: web.Request, reply: Reply, edge: Edge) -> None:
    edge.asked += 1
    if "ETag" in reply.headers:
        reply.headers["ETag"] = f'"v{edge.asked % 2}"'


def ignore_condition(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 304:
        reply.turn_whole()


def refuse_head(request: web.Request, reply: Reply, edge: Edge) -> None:
    if request.method == "HEAD":
        reply.status = 405


def shorten_head(request: web.Request, reply: Reply, edge: Edge) -> None:
    if request.method == "HEAD":
        reply.whole = b"1"


def keep_404(request: web.Request, reply: Reply, edge: Edge) -> None:
    hit = edge.kept.setdefault(request.path, reply) is not reply
    reply.headers["X-Cache"] = "HIT" if hit else "MISS"


def keep_416(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 416:
        edge.kept[request.path] = reply
    if request.path in edge.kept and request.headers.get("Range") == "bytes=0-1":
        bad = edge.kept[request.path]
        reply.status, reply.headers, reply.body = bad.status, bad.headers, bad.body


def keep_errors_by_range(request: web.Request, reply: Reply, edge: Edge) -> None:
    key = (request.path, request.headers.get("Range"))
    hit = edge.kept.setdefault(key, reply) is not reply
    reply.headers["X-Cache"] = "HIT" if hit and reply.status == 416 else "MISS"
    if reply.status == 206:
        reply.headers["X-Cache"] = "HIT"


def answer_past_end(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 416:
        reply.turn_whole()


def hide_size_in_416(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 416:
        del reply.headers["Content-Range"]


def invent_missing(request: web.Request, reply: Reply, edge: Edge) -> None:
    if reply.status == 404:
        reply.status = 200


def fail_middle(request: web.Request, reply: Reply, edge: Edge) -> None:
    if "-" in request.headers.get("Range", "").removeprefix("bytes=0-1"):
        instead(503)(request, reply, edge)


def be_sound(request: web.Request, reply: Reply, edge: Edge) -> None:
    key = (request.path, request.headers.get("Range"))
    hit = edge.kept.setdefault(key, reply) is not reply
    kept = hit and reply.status < 400
    reply.headers["X-Cache-Status"] = "HIT" if kept else "MISS"


@asynccontextmanager
async def breaking(
    origin: int, breaks: dict[str, Callable[[web.Request, Reply, Edge], None]]
) -> AsyncIterator[str]:
    """Yield the URL of the edges before the origin on a port."""
    app = web.Application()
    edges = {name: Edge() for name in breaks}
    whole: dict[str, bytes] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        reply = await fetch(session, origin, request)
        path = request.match_info["path"]
        if path not in whole:
            whole[path] = await fetch_whole(session, origin, request)
        reply.whole = whole[path]
        breaks[name](request, reply, edges[name])
        return await send(request, reply)

    app.router.add_route("*", "/{name}/{path:.*}", answer)
    runner = web.AppRunner(app)
    async with ClientSession(auto_decompress=False) as session:
        await runner.setup()
        with bind("127.0.0.1", 0) as listening:
            await web.SockSite(runner, listening).start()
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                await runner.cleanup()


async def fetch(session: ClientSession, origin: int, request: web.Request) -> Reply:
    url = f"http://127.0.0.1:{origin}/{request.match_info['path']}"
    passed = {name: request.headers[name] for name in PASSED if name in request.headers}
    async with session.request(
        request.method, url, headers=passed, skip_auto_headers=["Accept-Encoding"]
    ) as response:
        headers = CIMultiDict(response.headers)
        for name in ("Content-Length", "Date", "Server"):
            headers.popall(name, None)
        return Reply(response.status, headers, await response.read())


async def fetch_whole(
    session: ClientSession, origin: int, request: web.Request
) -> bytes:
    url = f"http://127.0.0.1:{origin}/{request.match_info['path']}"
    none = ["Accept-Encoding"]
    async with session.get(url, skip_auto_headers=none) as response:
        return await response.read()


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    body = b"" if request.method == "HEAD" else reply.body
    length = len(reply.whole if request.method == "HEAD" else reply.body)
    if reply.chunked:
        response.enable_chunked_encoding()
    elif reply.status != 304:
        response.content_length = reply.promised or length
    await response.prepare(request)
    await response.write(body)
    if reply.promised:
        assert request.transport is not None
        request.transport.close()
    elif body:
        await response.write_eof()
    return response
