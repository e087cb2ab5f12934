"""Every kind of answer, byte for byte, before anything is timed."""

from __future__ import annotations

import random
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.load.job import Asset

ANSWER_SECONDS = 60
RANDOM_RANGES = 10


class Question(NamedTuple):
    """A request, and the one right answer."""

    headers: Mapping[str, str]
    status: int
    body: bytes
    length: int | None  # of Content-Length; None where there need be none
    content_range: str | None = None
    method: str = "GET"


class Answer(NamedTuple):
    """What came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server(NamedTuple):
    """Whom to ask, and how to call it."""

    name: str
    port: int
    host: str = "127.0.0.1"
    tls: bool = False


def list_questions(content: bytes, etag: str, seed: int) -> Iterator[Question]:
    """Yield every kind of question that any server must answer so."""
    size, source = len(content), random.Random(seed)
    yield Question({}, 200, content, size)
    for _ in range(RANDOM_RANGES):
        yield ask_range(content, source)
    yield cut("bytes=0-1", content, 0, 2)
    yield cut(f"bytes=0-{size - 1}", content, 0, size)
    yield cut(f"bytes={size // 2}-", content, size // 2, size)
    yield cut(f"bytes={size - 1}-{size + 5}", content, size - 1, size)
    yield cut("bytes=-500", content, max(size - 500, 0), size)
    yield Question({"Range": f"bytes={size}-"}, 416, b"", None, f"bytes */{size}")
    yield Question({}, 200, b"", size, method="HEAD")
    if etag:
        yield Question({"If-None-Match": etag}, 304, b"", None)


def ask_range(content: bytes, source: random.Random) -> Question:
    """Return a question for a random range of up to 1 MiB."""
    start = source.randrange(len(content))
    stop = min(start + source.randint(1, 2**20), len(content))
    return cut(f"bytes={start}-{stop - 1}", content, start, stop)


def cut(asked: str, content: bytes, start: int, stop: int) -> Question:
    """Return a question for one range and its answer."""
    told = f"bytes {start}-{stop - 1}/{len(content)}"
    return Question({"Range": asked}, 206, content[start:stop], stop - start, told)


def check_server(server: Server, assets: Sequence[Asset], seed: int) -> None:
    """Send every kind of question about each asset and compare the answers.

    Raises Fault at the first answer that is not right.
    """
    with closing(connect(server)) as wire:
        for asset in assets:
            content = Path(asset.path).read_bytes()
            for question in list_questions(content, asset.etag, seed):
                answer = ask(wire, server, asset.target, question)
                if fault := find_fault(question, answer, asset.etag):
                    raise refuse(server, question, asset.target, fault)
            check_parts(wire, server, asset, content)


def check_peer(
    server: Server, assets: Sequence[Asset], seed: int, *, whole: bool
) -> None:
    """Ask for what every peer must know: the whole, and ranges; whole knows none."""
    source = random.Random(seed)
    with closing(connect(server)) as wire:
        for asset in assets:
            content = Path(asset.path).read_bytes()
            everything = Question({}, 200, content, len(content))
            ranges = [ask_range(content, source) for _ in range(RANDOM_RANGES)]
            if whole:
                ranges = [everything._replace(headers=ranges[0].headers)]
            for question in (everything, *ranges):
                answer = ask(wire, server, asset.target, question)
                if fault := find_fault(question, answer, ""):
                    raise refuse(server, question, asset.target, fault)


def check_missing(server: Server, asset: Asset) -> None:
    """Ask for what is not there. Raises Fault when the answer is not right."""
    content = Path(asset.path).read_bytes()
    question = Question({}, 404, content, len(content))
    with closing(connect(server)) as wire:
        answer = ask(wire, server, asset.target, question)
    if fault := find_fault(question, answer, ""):
        raise refuse(server, question, asset.target, fault)


def check_parts(
    wire: HTTPConnection, server: Server, asset: Asset, content: bytes
) -> None:
    """Ask for two ranges at once: exactly those parts must come, or the whole."""
    size = len(content)
    spans = [(1, min(70_000, size // 3)), (size // 2, size // 2 + size // 4)]
    asked = ",".join(f"{start}-{stop - 1}" for start, stop in spans)
    question = Question({"Range": f"bytes={asked}"}, 206, b"", None)
    answer = ask(wire, server, asset.target, question)
    kind = answer.headers.get("content-type", "")
    whole = answer.status == 200 and answer.body == content
    if not whole and (
        answer.status != 206 or not has_parts(kind, answer.body, content, spans)
    ):
        raise refuse(server, question, asset.target, describe(answer))


def has_parts(
    kind: str, body: bytes, content: bytes, spans: Sequence[tuple[int, int]]
) -> bool:
    """Report whether body is multipart/byteranges of just these (RFC 9110, 14.6)."""
    kind, _, boundary = kind.partition("; boundary=")
    if kind != "multipart/byteranges" or not boundary:
        return False
    limit = b"\r\n--" + boundary.strip('"').encode()
    before, *parts = (b"\r\n" + body).split(limit)
    if before.strip() or len(parts) != len(spans) + 1 or parts.pop().strip() != b"--":
        return False
    for part, (start, stop) in zip(parts, spans, strict=True):
        head, _, data = part.partition(b"\r\n\r\n")
        told = f"\r\ncontent-range: bytes {start}-{stop - 1}/{len(content)}\r\n"
        if told.encode() not in head.lower() + b"\r\n" or data != content[start:stop]:
            return False
    return True


def connect(server: Server) -> HTTPConnection:
    """Return a connection, opened at the first question."""
    kind = HTTPSConnection if server.tls else HTTPConnection
    return kind(server.host, server.port, timeout=ANSWER_SECONDS)


def ask(
    wire: HTTPConnection, server: Server, target: str, question: Question
) -> Answer:
    """Return the answer. Raises Fault when none comes."""
    headers = {"Accept-Encoding": "identity", **question.headers}
    try:
        wire.request(question.method, target, headers=headers)
        answer = wire.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())
    except (OSError, HTTPException) as error:
        raise refuse(server, question, target, f"broken off, {error!r}") from error


def find_fault(question: Question, answer: Answer, etag: str) -> str:
    """Return what is wrong with an answer; '' if nothing is."""
    length = answer.headers.get("content-length")
    told = answer.headers.get("content-range")
    if answer.status != question.status:
        return describe(answer)
    if question.length is not None and length != f"{question.length}":
        return f"with Content-Length {length} instead of {question.length}"
    if told != question.content_range:
        return f"with Content-Range {told!r} instead of {question.content_range!r}"
    if etag and answer.status in (200, 206, 304) and answer.headers.get("etag") != etag:
        return f"with ETag {answer.headers.get('etag')} instead of {etag}"
    if answer.status != 416 and answer.body != question.body:
        at = find_difference(answer.body, question.body)
        return f"with other bytes, from byte {at} of the body on"
    return ""


def find_difference(one: bytes, other: bytes) -> int:
    """Return the first place where they differ."""
    pairs = zip(one, other, strict=False)
    short = min(len(one), len(other))
    return next((at for at, (a, b) in enumerate(pairs) if a != b), short)


def describe(answer: Answer) -> str:
    """Return an answer in words."""
    told = answer.headers.get("content-range", "no Content-Range")
    return f"by {answer.status}, {told}, {len(answer.body)} bytes"


def refuse(server: Server, question: Question, target: str, fault: str) -> Fault:
    """Return what to say of an answer that is not right."""
    headers = ", ".join(f"{name}: {value}" for name, value in question.headers.items())
    asked = f"{question.method} {target}" + (f" ({headers})" if headers else "")
    return Fault(
        f"{server.name} answers {asked} wrongly, {fault}, so nothing was timed:"
        " fix it, or leave it out"
    )
