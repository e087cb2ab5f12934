"""The head of a request, looked at before a parser has it (RFC 9112, 3 to 6). No I/O.

Only what bounds a request is decided here: where its head ends, its version, its host,
and how long its body is. The rest is left to aiohttp's parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from server.api.errors import Refused
from server.api.hosts import is_host

HEAD_BYTES = 64 * 1024  # of all headers together with the request line
LENGTH_DIGITS = 15  # of a Content-Length; no body has so many bytes

_CONTROLS = bytes({*range(32), 127} - {*b"\t\r\n"})
_LINE = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP/([0-9]+)(?:\.([0-9]+))?"
)
_METHODS = {  # of RFC 9110, 9.1, but for CONNECT, and of RFC 5789
    *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH"),
}
_FIELD = re.compile(
    rb"\r\n(host|content-length|transfer-encoding|content-encoding|expect)"
    rb"[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_BLANK = re.compile(rb"(?:\r\n)*+")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)

NO_HTTP = "Bad request: this is no HTTP/1.1 (RFC 9112)."
TOO_LONG = f"The request line and headers may have at most {HEAD_BYTES} bytes."
WRONG_VERSION = "This server speaks HTTP/1.1: send the request as HTTP/1.1."
NO_METHOD = "No route has such a method: use GET, HEAD, POST, DELETE or OPTIONS."
WRONG_HOST = "Send one Host header with the name of the host (RFC 9112, 3.2)."
WRONG_LENGTH = "Say once how long the body is (RFC 9112, 6.3)."
WRONG_CODING = "Send the body as it is or in chunks, in no other Transfer-Encoding."
WRONG_EXPECT = "This server meets no expectation but 100-continue (RFC 9110, 10.1.1)."
PACKED = "Send the body as it is, without Content-Encoding."


class Head(NamedTuple):
    """A head, and what comes behind it."""

    data: bytes  # for aiohttp's parser
    target: bytes
    length: int | None  # of the body in bytes; None if it comes in chunks


def find_end(data: bytes, searched: int = 0) -> int:
    """Return where a head ends that data begins with, or -1; raise Refused.

    Its first so many bytes were searched before, when no more had come. What is wrong
    is refused as soon as it is here; the status is the same if all comes at once.
    """
    begin = skip_blank(data)
    found = data.find(b"\r\n\r\n", max(begin, searched - 3))
    end = found + 4 if found >= 0 else -1
    head = data if end < 0 else data[:end]
    seen = head[:HEAD_BYTES]
    if (line := seen.find(b"\r\n", begin)) >= 0:
        read_line(seen[begin:line])
    if seen.translate(None, _CONTROLS) != seen or _has_bare_ends(seen):
        raise Refused(400, NO_HTTP)
    if len(head) > HEAD_BYTES:
        raise Refused(431, TOO_LONG)
    return end


def skip_blank(data: bytes) -> int:
    """Return where the request line begins: empty lines may precede it."""
    found = _BLANK.match(data)
    assert found  # at the least nothing
    return found.end()


def _has_bare_ends(data: bytes) -> bool:
    """Report whether CR or LF stand alone; the last byte may be half of a pair."""
    pairs = data.count(b"\r\n")
    returns = data.count(b"\r") - data.endswith(b"\r")
    return data.count(b"\n") != pairs or returns != pairs


def read_line(line: bytes) -> tuple[bytes, bytes]:
    """Return the target and the digits of the minor version; raise Refused."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise Refused(400, NO_HTTP)
    method, target, major, minor = found.groups()
    if major != b"1":
        raise Refused(505, WRONG_VERSION)
    if minor is None or len(minor) != 1:
        raise Refused(400, NO_HTTP)
    if method not in _METHODS:
        raise Refused(501, NO_METHOD)
    return target, minor


def read_head(data: bytes) -> Head:
    """Read a whole head; raise Refused."""
    begin = skip_blank(data)
    end = data.index(b"\r\n", begin)
    target, minor = read_line(data[begin:end])
    if b"\r\n " in data or b"\r\n\t" in data:  # a folded line (RFC 9112, 5.2)
        raise Refused(400, NO_HTTP)
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _FIELD.findall(data, end):
        fields.setdefault(name.lower(), []).append(value.rstrip(b" \t"))
    _check_host(fields.get(b"host", []), target, minor)
    expected = fields.get(b"expect", []) if minor != b"0" else []
    if any(each.lower() != b"100-continue" for each in expected):
        raise Refused(417, WRONG_EXPECT)
    length = _find_length(fields)
    if length is None and minor == b"0":  # faulty framing (RFC 9112, 6.1)
        raise Refused(400, WRONG_LENGTH)
    if length != 0 and any(
        coding.lower() not in (b"", b"identity")
        for coding in fields.get(b"content-encoding", [])
    ):
        raise Refused(415, PACKED, {"Accept-Encoding": "identity"})
    if minor not in (b"0", b"1"):  # to be read as the newest we know (RFC 9110, 2.5)
        data = data[begin : end - 1] + b"1" + data[end:]
    return Head(data, target, length)


def _check_host(hosts: list[bytes], target: bytes, minor: bytes) -> None:
    if len(hosts) > 1 or (minor != b"0" and not hosts):
        raise Refused(400, WRONG_HOST)
    absolute = _ABSOLUTE.match(target)
    if absolute and not absolute[1]:
        raise Refused(400, WRONG_HOST)
    for text in [*hosts, *(absolute.groups() if absolute else ())]:
        if not is_host(text.decode("latin-1")):
            raise Refused(400, WRONG_HOST)


def _find_length(fields: dict[bytes, list[bytes]]) -> int | None:
    """Return the length of the body; None if it comes in chunks."""
    lengths = fields.get(b"content-length", [])
    codings = fields.get(b"transfer-encoding", [])
    if codings:
        if lengths:
            raise Refused(400, WRONG_LENGTH)
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Refused(501, WRONG_CODING)
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]+", lengths[0]):
        raise Refused(400, WRONG_LENGTH)
    digits = lengths[0].lstrip(b"0")
    return int(digits[: LENGTH_DIGITS + 1] or b"0")
