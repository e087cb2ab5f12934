"""Parse a short request from the bytes that came, without aiohttp's parser. No I/O.

Whatever is new, long, unusual, broken or refused is left to aiohttp.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from server.api.hosts import is_host
from server.video.handler import ASKED, CODING

HEAD_BYTES = 4 * 1024  # of a request that is read here, at most
HEADS = 500  # that are remembered

# No space before a colon, no folded line, nothing that parsers read in different ways
# (RFC 9112, 3 and 5), and fewer lines than aiohttp allows.
_HEAD = re.compile(
    rb"GET /v3/videos/([1-9][0-9]{0,9})"
    rb"(?:\.mp4|/(hls1\.mp4|hls1\.m3u8|hls1-iframes\.m3u8))? HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*){0,100})\r\n\r\n"
)
# Headers that choose the answer, and headers that leave it to aiohttp.
_FIELD = re.compile(
    rb"\n(if-[a-z-]+|range|host|user-agent|connection|proxy-connection|content-[a-z]+"
    rb"|accept-encoding|expect|upgrade|transfer-encoding|etag|max-forwards|server|sec-websocket-key1)"
    rb":[\t ]*([\t -~]*)",
    re.IGNORECASE,
)
_ONCE = {"Host", "User-Agent"}  # aiohttp refuses a second
_BEGIN = b"GET /v3/videos/"
_RANGE = b"\r\nRange: bytes="
_SPEC = re.compile(rb"[0-9]*-[0-9]*(?=\r\n)")
# What players tell about themselves (CTA-5004). It chooses no answer.
_CMCD_QUERY = re.compile(
    rb"\A(GET [^ ?\r\n]*)\?CMCD=[A-Za-z0-9_.~!'()*%-]*(?= HTTP/1\.1\r\n)"
)
_CMCD_FIELD = re.compile(
    # Behind an empty line, what looks like a field is not of this head.
    rb"(?<!\n)\r\ncmcd-(?:request|object|status|session):[\t -~]*(?=\r\n)",
    re.IGNORECASE,
)
_CMCD_FIELDS = 4


class CmcdFound(Exception):
    """The player tells of itself, each time something else: not to be remembered."""


class Short(NamedTuple):
    """A request that is read here."""

    video_id: int
    headers: dict[str, str]  # that choose the answer
    name: str = ""  # of the file made of the video, for HLS; "" for the video
    has_cmcd: bool = False  # whether the player tells of itself


def parse_short(data: bytes) -> Short | None:
    """Return what is asked for; None unless data is one whole request and simple.

    A client that requests many ranges repeats its head except for their digits, so
    the rest of the head is parsed once and remembered.
    """
    if len(data) > HEAD_BYTES or not data.startswith(_BEGIN):
        return None
    try:
        return parse_ranged(data)
    except CmcdFound:
        return parse_without_cmcd(data)


def parse_without_cmcd(data: bytes) -> Short | None:
    """Return what is asked for by a player that tells of itself."""
    plain = _CMCD_FIELD.sub(b"", _CMCD_QUERY.sub(rb"\1", data), count=_CMCD_FIELDS)
    try:
        asked = parse_ranged(plain)
    except CmcdFound:  # more than there should be
        return None
    return asked and asked._replace(has_cmcd=True)


def parse_ranged(data: bytes) -> Short | None:
    """Return what is asked for; CmcdFound. All but the range is remembered."""
    start = data.find(_RANGE) + len(_RANGE)
    spec = _SPEC.match(data, start) if start >= len(_RANGE) else None
    if spec is None:
        return parse_head(data)
    asked = parse_head(data[:start] + data[spec.end() :])
    if asked is None or asked.headers["Range"] != "bytes=":  # there is another
        return None
    headers = {**asked.headers, "Range": f"bytes={spec[0].decode()}"}
    return Short(asked.video_id, headers, asked.name)


@lru_cache(HEADS)
def parse_head(data: bytes) -> Short | None:
    """Return what a head asks for; None for what aiohttp may refuse or do more for.

    CmcdFound is not remembered, as the next such head will be another.
    """
    if _CMCD_QUERY.match(data) or _CMCD_FIELD.search(data):
        raise CmcdFound
    head = _HEAD.fullmatch(data)
    if head is None:
        return None
    headers: dict[str, str] = {}
    made = (head[2] or b"").decode()
    wanted = (*ASKED, CODING) if made.endswith(".m3u8") else ASKED
    for field, text in _FIELD.findall(head[3]):
        name, value = field.decode().title(), text.decode().rstrip(" \t")
        if name == "Connection" and value.lower() == "keep-alive":
            continue
        if name == CODING and CODING not in wanted:
            continue
        if name not in wanted and (name not in _ONCE or name in headers):
            return None
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if not is_host(headers.get("Host", "/")):
        return None
    chosen = {name: headers[name] for name in wanted if name in headers}
    return Short(int(head[1]), chosen, made)


def read_request(data: bytes) -> tuple[str, str, CIMultiDictProxy[str]]:
    """Return method, target and headers of a request that parse_short has read."""
    line, *fields = data.decode().removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    pairs = (field.split(":", 1) for field in fields)
    headers = CIMultiDict((name, value.strip(" \t")) for name, value in pairs)
    return method, target, CIMultiDictProxy(headers)
