"""Where requests end: what bounds them must see their ends where aiohttp does.

If it did not, part of a body could be read as a request (RFC 9112, 11.2).
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import EMPTY_PAYLOAD, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from server.api.errors import Refused
from server.serving.bounded import HEADER_BYTES
from server.serving.framing import Chunked
from server.serving.heads import Head, find_end, read_head
from tests.fuzz import heads

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

WORDS = [
    *heads.WORDS,
    *(b"POST / HTTP/1.1\r\nHost: a\r\n", b"Content-Length: 5\r\n\r\nhello", b"chunked"),
    *(b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b";a=b"),
    *(b"0\r\nX: y\r\n\r\n", b"GET ", b"HEAD ", b"CONNECT a:1", b" HTTP/1.0", b"\t"),
    *(b"Content-Length: 005\r\n", b"content-length:5 \r\n", b"Connection: upgrade\r\n"),
    *(b"FFFFFFFFFFFFFFFF\r\n", b';a="b c"\r\n', b" chunked", b"identity", b", "),
]

_LOOP = asyncio.new_event_loop()
_LARGE = 10**15  # bytes: any more are refused alike
_MOST = 1000  # bytes of a body of a length that are sent


class Parsed(NamedTuple):
    """What aiohttp makes of a request."""

    message: RawRequestMessage
    body: StreamReader
    rest: bytes

    @property
    def ended(self) -> bool:
        """Report whether the body has come."""
        return self.body is EMPTY_PAYLOAD or self.body.is_eof()


def fuzz_framing(data: bytes) -> None:
    """Read the data as a head and what follows, with both."""
    try:
        end = find_end(data)
        if end < 0:
            return
        head = read_head(data[:end])
    except Refused:
        return
    parsed = parse(head.data, b"")
    if parsed is None or parsed.message.upgrade:
        return
    assert not parsed.rest
    if head.length is None:
        assert parsed.message.chunked
        compare_chunks(head, data[end:])
    else:
        assert not parsed.message.chunked
        told = parsed.message.headers.get("Content-Length", "0")
        assert min(head.length, _LARGE) == min(int(told), _LARGE)
        assert parsed.ended == (head.length == 0)
        if 0 < head.length <= _MOST:
            compare_end(head, bytes(head.length))


def compare_chunks(head: Head, data: bytes) -> None:
    """See that a body in chunks ends where it does for aiohttp."""
    body, taken, random = Chunked(None), 0, Random(len(data))
    try:
        while taken < len(data) and not body.ended:
            taken += body.take(data[taken : taken + random.randrange(1, 20)])
    except Refused:
        return
    if body.ended:
        parsed = compare_end(head, data[:taken])
        assert parsed is None or parsed.body.total_bytes == body.received
    elif (parsed := parse(head.data, data)) is not None:
        assert not parsed.ended


def compare_end(head: Head, body: bytes) -> Parsed | None:
    """See that a body ends with its last byte, not before, and nothing is left."""
    parsed = parse(head.data, body)
    if parsed is not None:
        assert parsed.ended
        assert not parsed.rest
        before = parse(head.data, body[:-1])
        assert before is None or not before.ended
    return parsed


def parse(head: bytes, body: bytes) -> Parsed | None:
    """Return what aiohttp reads, None if it refuses that."""
    parser = HttpRequestParser(
        BaseProtocol(_LOOP),
        _LOOP,
        2**16,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        auto_decompress=False,
    )
    try:
        messages, _, rest = parser.feed_data(head)
        ((message, content),) = messages
        if body:
            further, _, rest = parser.feed_data(body)
            assert not further, "a body was read as a request"
    except (HttpProcessingError, ValueError):
        return None
    if content.exception() is not None:
        return None
    return Parsed(message, content, rest)
