"""The short way against aiohttp: what it takes, aiohttp must read the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.test_utils import make_mocked_request

from server.hls.handler import get_hls
from server.routes import ROUTES
from server.serving.bounded import HEADER_BYTES
from server.video.handler import ASKED, CODING, get_video, parse_asked
from server.video.short import parse_short, read_request

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from server.video.short import Short

WORDS = [
    *(b"GET /v3/videos/7.mp4 HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n\r\n", b"\r\n"),
    *(b"Range: bytes=0-9\r\n", b"range:", b"If-Range: ", b"If-None-Match: *\r\n"),
    *(b"Connection: close\r\n", b"connection: keep-alive\r\n", b"keep-alive, close"),
    *(b"Proxy-Connection: close\r\n", b"Keep-Alive: 5\r\n", b"Upgrade: h2c\r\n"),
    *(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: x\r\n"),
    *(b"User-Agent: b\r\n", b'If-Match: "a"\r\n', b"Trailer: c\r\n", b"TE: d\r\n"),
    *(b"Cookie: e\r\n", b"Content-Encoding: gzip\r\n", b"HTTP2-Settings: f\r\n"),
    *(b"GET /v3/videos/7/hls1.m3u8 HTTP/1.1\r\n", b"/hls1.mp4", b"/hls1-iframes"),
    *(b"Accept-Encoding: gzip\r\n", b"Accept-Encoding: br, *;q=0\r\n"),
    *(b"GET /v3/videos/7?CMCD=bs HTTP/1.1\r\n", b"?CMCD=bl%3D2100", b"&", b"%zz"),
    *(b"CMCD-Request: mtp=900,su\r\n", b"cmcd-status: bs\r\n", b"Cmcd-Object:"),
    *(b"Sec-WebSocket-Key: g\r\n", b"If-Modified-Since: h\r\n", b"Via: i\r\n"),
]

_LOOP = asyncio.new_event_loop()
_APP = web.Application()
_APP.add_routes(ROUTES)
_APP.freeze()


def fuzz_head(data: bytes) -> None:
    """Compare what the short way reads of a request with what aiohttp does."""
    asked = parse_short(data)
    if asked is None:
        return
    parser = HttpRequestParser(
        BaseProtocol(_LOOP),
        _LOOP,
        2**16,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )
    ((message, body),), upgraded, rest = parser.feed_data(data)
    unusual = message.should_close, message.upgrade, message.chunked, upgraded, rest
    assert not any(unusual), message
    assert not message.compression
    assert body.is_eof()
    check_route(message, asked)
    wanted = (*ASKED, CODING) if asked.name.endswith(".m3u8") else ASKED
    assert asked.headers == parse_asked(message.headers, wanted)
    method, target, headers = read_request(data)
    assert (method, target) == (message.method, message.path)
    assert _lower(headers) == _lower(message.headers)


def check_route(message: RawRequestMessage, asked: Short) -> None:
    """See that the router leads to the same file of the same video."""
    request = make_mocked_request(message.method, message.path, app=_APP)
    resolving = _APP.router.resolve(request)
    try:
        resolving.send(None)
    except StopIteration as stopped:
        found = stopped.value
    assert found.handler is (get_hls if asked.name else get_video)
    assert int(found["id"]) == asked.video_id
    assert message.path.partition("?")[0].endswith(asked.name)


def _lower(headers: CIMultiDictProxy[str]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers.items()]
