"""Read the playlists of HLS that an edge sent, and judge them. No I/O."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from server.edge.faults import build_finding
from server.edge.policies import find_max_age, judge_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.edge.answers import EdgeAnswer
    from server.edge.faults import EdgeFinding

PLAYLIST_BYTES = 2**20
"""The longest playlist that is read; ten hours in segments of two seconds have that."""

WHOLE = range(PLAYLIST_BYTES)
MASTER_SECONDS = 3600  # it may be kept for, where we know no origin that says it
_PACKED_BYTES = 1000  # of a playlist that an edge should send compressed

_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d{1,15})@(\d{1,15})"')
_BYTE_RANGE = re.compile(r"#EXT-X-BYTERANGE:(\d{1,15})@(\d{1,15})")
_TYPES = ("application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl")


class Part(NamedTuple):
    """A range of a file that a playlist names."""

    uri: str
    span: range


class Media(NamedTuple):
    """What a media playlist of ours leads to."""

    init: Part
    segment: Part  # its first


def unpack(answer: EdgeAnswer) -> str | None:
    """Return the text of a playlist; None if what came is none."""
    body = answer.parts.get(WHOLE, b"")
    coding = answer.headers.get("content-encoding", "identity")
    if coding == "gzip":
        try:
            body = zlib.decompressobj(31).decompress(body, PLAYLIST_BYTES)
        except zlib.error:
            return None
    text = body.decode("utf-8", "replace").replace("\r\n", "\n")
    return text if text.startswith("#EXTM3U") else None


def find_variant(text: str) -> str | None:
    """Return the address of the first variant of a master playlist."""
    lines = iter(text.splitlines())
    if not any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return None
    return _find_address(lines)


def read_media(text: str) -> Media | None:
    """Return what the first requests after a media playlist of ours are for."""
    init = segment = None
    lines = iter(text.splitlines())
    for line in lines:
        if found := _MAP.match(line):
            init = Part(found[1], _read_span(found[2], found[3]))
        elif found := _BYTE_RANGE.match(line):
            uri = _find_address(lines)
            segment = Part(uri, _read_span(found[1], found[2])) if uri else None
            break
    return Media(init, segment) if init and segment else None


def _find_address(lines: Iterator[str]) -> str | None:
    """Return the next line that is neither a tag nor a comment."""
    return next((line for line in lines if line.strip() and line[0] != "#"), None)


def _read_span(size: str, start: str) -> range:
    return range(int(start), int(start) + int(size))


def judge_playlist(
    plain: EdgeAnswer, packed: EdgeAnswer, origin: EdgeAnswer | None
) -> Iterator[EdgeFinding]:
    """Judge a playlist as it came as it is and, to who takes that, compressed.

    Its first line is right already in the plain one; origin is the origin's plain one.
    """
    name, text = plain.question.name, unpack(plain)
    yield from judge_kind(plain)
    if plain.encoded:
        sentence = f"Content-Encoding is {plain.headers['content-encoding']}, unasked"
        yield build_finding("wrong-coding", sentence, name)
    if packed.status == 200 and not packed.error:
        yield from _judge_packed(plain, packed)
    if origin is not None and unpack(origin) != text:
        sentence = f"the {name} playlist is not that of the origin"
        yield build_finding("other-playlist", sentence, name)
    is_master = find_variant(text or "") is not None
    for each in judge_policy(plain):
        if each.code != "short-max-age" or not is_master:
            yield each
    if is_master:
        yield from _judge_age(plain, origin)


def judge_kind(answer: EdgeAnswer) -> Iterator[EdgeFinding]:
    """Judge what players go by before they read it."""
    name, said = answer.question.name, answer.headers
    kind = said.get("content-type", "absent")
    if kind.partition(";")[0].strip().lower() not in _TYPES:
        remedy = f"pass the origin's Content-Type on: {_TYPES[0]}"
        sentence = f"Content-Type is {kind}"
        yield build_finding("content-type", sentence, name, remedy=remedy)
    if said.get("access-control-allow-origin") != "*":
        allowed = said.get("access-control-allow-origin", "absent")
        sentence = f"Access-Control-Allow-Origin is {allowed}"
        yield build_finding("no-cors", sentence, name)


def _judge_packed(plain: EdgeAnswer, packed: EdgeAnswer) -> Iterator[EdgeFinding]:
    name = packed.question.name
    coding = packed.headers.get("content-encoding", "identity")
    if coding in ("gzip", "identity") and unpack(packed) != unpack(plain):
        sentence = f"what comes as {coding} is not the same playlist"
        yield build_finding("wrong-coding", sentence, name)
    if not packed.encoded and packed.received >= _PACKED_BYTES:
        sentence = f"{packed.received:,} bytes came to who accepts gzip"
        yield build_finding("not-compressed", sentence, name)


def _judge_age(master: EdgeAnswer, origin: EdgeAnswer | None) -> Iterator[EdgeFinding]:
    """Judge how long the one playlist is kept that changes."""
    control = master.headers.get("cache-control", "")
    told = find_max_age(origin.headers.get("cache-control", "")) if origin else None
    seconds = find_max_age(control)
    if seconds is not None and seconds > (MASTER_SECONDS if told is None else told):
        sentence = f"Cache-Control of the master is {control}"
        yield build_finding("kept-too-long", sentence, master.question.name)


def judge_first_box(answer: EdgeAnswer, kind: bytes) -> Iterator[EdgeFinding]:
    """Judge whether a part begins with the box that is due there."""
    if answer.status == 206 and not answer.encoded and answer.body[4:8] != kind:
        sentence = f"the {answer.question.name} does not begin with {kind.decode()}"
        yield build_finding("wrong-bytes", sentence, answer.question.name)


def judge_same(answer: EdgeAnswer, origin: EdgeAnswer | None) -> Iterator[EdgeFinding]:
    """Judge whether a part is that of the origin."""
    if origin is None or {answer.status, origin.status} != {206} or answer.error:
        return
    if (answer.received, answer.digest) != (origin.received, origin.digest):
        name = answer.question.name
        sentence = f"the {name} is not that of the origin"
        yield build_finding("other-bytes", sentence, name)
