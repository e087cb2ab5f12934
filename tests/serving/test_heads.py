"""Heads as they are looked at before a parser has them; rows are from RFC 9112."""

from __future__ import annotations

import pytest

from server.api.errors import Refused
from server.serving.heads import HEAD_BYTES, find_end, read_head

LINE = b"GET /a HTTP/1.1\r\n"
HOST = b"Host: a\r\n"


def refuse(data: bytes) -> int:
    """Return the status with which a head is refused, or 0."""
    try:
        end = find_end(data)
        if end >= 0:
            read_head(data[:end])
    except Refused as refused:
        return refused.status
    return 0


WHOLE = [
    (LINE + HOST, 0),
    (b"\r\n\r\n" + LINE + HOST, 0),
    (b"GET /a HTTP/1.0\r\n", 0),
    (b"GET /a HTTP/1.9\r\n" + HOST, 0),
    (b"GET http://a/b HTTP/1.1\r\nHost: a\r\n", 0),
    (b"OPTIONS * HTTP/1.1\r\nHost:\r\n", 0),
    (LINE + HOST + b"X: \xc3\xa4\t\r\n", 0),
    # RFC 9110, 9.1 and 15.6.2: methods, in which case matters
    *((name + LINE[3:] + HOST, 0) for name in (b"HEAD", b"TRACE", b"PATCH")),
    (b"BREW /a HTTP/1.1\r\n" + HOST, 501),
    (b"get /a HTTP/1.1\r\n", 501),
    (b"CONNECT a:1 HTTP/1.1\r\n" + HOST, 501),
    (b"PROPFIND * HTTP/1.0\r\n", 501),
    (b"BREW /a HTTP/2.0\r\n" + HOST, 505),
    # 3.2: one Host, and it names a host
    (LINE, 400),
    (LINE + HOST + HOST, 400),
    (b"GET /a HTTP/1.0\r\n" + HOST + HOST, 400),
    (LINE + b"Host: a b\r\n", 400),
    (LINE + b"hOST: a@b\r\n", 400),
    (b"GET http:///b HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://u@a/b HTTP/1.1\r\nHost: a\r\n", 400),
    (b"GET http://a/b HTTP/1.1\r\n", 400),
    # 2.3 and RFC 9110, 15.6.6: the version
    (b"GET /a HTTP/2.0\r\n" + HOST, 505),
    (b"PRI * HTTP/2.0\r\n", 505),
    (b"GET /a HTTP/2\r\n", 505),
    (b"GET /a HTTP/3.0\r\n", 505),
    (b"GET /a HTTP/0.9\r\n", 505),
    (b"GET /a HTTP/11.1\r\n", 505),
    (b"GET /a HTTP/1.10\r\n", 400),
    (b"GET /a HTTP/1\r\n", 400),
    (b"GET /a http/1.1\r\n", 400),
    # 3: the request line
    (b"GET /a\r\n", 400),
    (b"GET  /a HTTP/1.1\r\n" + HOST, 400),
    (b"GET /a b HTTP/1.1\r\n" + HOST, 400),
    (b"G(T /a HTTP/1.1\r\n" + HOST, 400),
    # 2.2 and 5.2: lines
    (LINE + b"Host: a\n", 400),
    (LINE + HOST + b"X: a\rb\r\n", 400),
    (LINE + HOST + b"X: a\x00\r\n", 400),
    (LINE + HOST + b"X: a\r\n b\r\n", 400),
    # 6: the body
    (LINE + HOST + b"Content-Length: 5\r\n", 0),
    (LINE + HOST + b"Transfer-Encoding: Chunked\r\n", 0),
    (b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400),
    (LINE + HOST + b"Content-Length: +5\r\n", 400),
    (LINE + HOST + b"Content-Length: 5, 5\r\n", 400),
    (LINE + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
    (LINE + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    (LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n", 501),
    (LINE + HOST + b"Content-Length: 5\r\nContent-Encoding: gzip\r\n", 415),
    (LINE + HOST + b"Content-Length: 5\r\nContent-Encoding: identity\r\n", 0),
    (LINE + HOST + b"Content-Length: 0\r\nContent-Encoding: gzip\r\n", 0),
]


@pytest.mark.parametrize(("lines", "status"), WHOLE)
def test_heads_are_refused_as_the_rfc_has_it(lines: bytes, status: int) -> None:
    assert refuse(lines + b"\r\n") == status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /a HTT", 0),
        (LINE + b"Host: a\r", 0),
        (LINE + b"Host: a\r\n", 0),
        (b"\x00", 400),
        (bytes(2 * HEAD_BYTES), 400),
        (b"GET / HTTP/2.0\r\n\x00", 505),
        (b"BREW / HTTP/1.1\r\n", 501),
        (b"nonsense\r\n" + b"x" * 2 * HEAD_BYTES, 400),
        (LINE + b"X: " + b"x" * HEAD_BYTES + b"\x00", 431),
        (b"\x16\x03\x01", 400),
        (b"GET /\n", 400),
        (b"GET /\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (LINE + b"X: " + bytes([65]) * HEAD_BYTES, 431),
        (LINE + b"X: y\r\n" * (HEAD_BYTES // 6), 431),
        (b"\r\n" * HEAD_BYTES, 431),
    ],
)
def test_part_of_a_head_is_refused_as_soon_as_it_is_wrong(
    data: bytes, status: int
) -> None:
    assert refuse(data) == status


WRONG = [
    bytes(70_000),
    b"nonsense\r\n" + b"x" * 70_000,
    b"GET / HTTP/2.0\r\nX: \x00\r\n\r\n",
    b"BREW / HTTP/1.1\r\nX: a\rb\r\n\r\n",
    LINE + b"X: " + b"x" * 65_500 + b"\x00\r\n\r\n",
    LINE + b"X: " + b"x" * 70_000 + b"\x00\r\n\r\n",
    LINE + b"X: y\n" + b"x" * 70_000,
    LINE + b"X: " + b"x" * (HEAD_BYTES - len(LINE) - 4) + b"\r\n" + HOST + b"\r\n",
    b"/" * 70_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", WRONG)
@pytest.mark.parametrize("length", [1, 700, 65_536])
def test_status_is_the_same_in_one_write_or_many(data: bytes, length: int) -> None:
    length = max(length, 64) if len(data) > 1000 else length
    in_pieces = next(
        status
        for end in range(length, len(data) + length, length)
        if (status := refuse(data[:end]))
    )
    assert in_pieces == refuse(data)


def test_head_ends_where_it_ends_however_it_comes() -> None:
    data = b"\r\n" + LINE + HOST + b"\r\n"
    for cut in range(len(data)):
        assert find_end(data[:cut]) == -1
        assert find_end(data + b"body\r\n\r\n", cut) == len(data)


@pytest.mark.parametrize(
    ("field", "length"),
    [
        (b"", 0),
        (b"Content-Length: 007\r\n", 7),
        (b"transfer-encoding:chunked\r\n", None),
    ],
)
def test_length_is_that_of_the_body(field: bytes, length: int | None) -> None:
    head = read_head(LINE + HOST + field + b"\r\n")
    assert (head.target, head.length) == (b"/a", length)


def test_newer_minor_version_is_read_as_ours() -> None:
    head = read_head(b"\r\nGET /a HTTP/1.7\r\n" + HOST + b"\r\n")
    assert head.data == LINE + HOST + b"\r\n"
