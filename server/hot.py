"""Answer a short request as soon as it is parsed, before aiohttp makes a task of it.

A request for a video goes through the same parse, plan, read and send as any other.
Whatever is new, long, broken or refused takes aiohttp's way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from server.chunks import GROUP, trim
from server.plan import plan_video
from server.sending import render_head
from server.videos import BOUNDARY, parse_asked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
    from aiohttp.streams import StreamReader

    from server.model import Video
    from server.plan import Plan
    from server.store import Store

    Message = tuple[RawRequestMessage, StreamReader]

_PATH = re.compile(r"/v3/videos/([1-9][0-9]{0,9})(?:\.mp4)?", re.ASCII)
# What a request may have besides its head, or want before it.
_MORE = ("Content-Length", "Transfer-Encoding", "Expect")


class HotParser:
    """aiohttp's parser; it keeps to itself the requests that are taken at once."""

    def __init__(
        self, parser: HttpRequestParser, take: Callable[[Message], bool]
    ) -> None:
        self._parser = parser
        self._take = take

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Sequence[Message], bool, bytes]:
        """Return the requests in data that are still to be answered."""
        messages, upgraded, tail = self._parser.feed_data(data)
        if len(messages) == 1 and self._take(messages[0]):
            return (), upgraded, tail
        return messages, upgraded, tail


class Missing(NamedTuple):
    """Bytes on their way: where they belong, and which part of them."""

    place: int
    start: int
    span: range
    chunk: asyncio.Future[bytes]


class Answer(NamedTuple):
    """Head and body; for what is missing there are empty bytes."""

    status: int
    body_bytes: int
    asked: str | None  # the Range header
    buffers: list[bytes | memoryview]
    missing: list[Missing]

    def when_complete(self, then: Callable[[Answer], None]) -> None:
        """Call then once nothing is on its way any more."""
        left = len(self.missing)

        def arrive(_: asyncio.Future[bytes]) -> None:
            nonlocal left
            left -= 1
            if not left:
                then(self)

        for each in self.missing:
            each.chunk.add_done_callback(arrive)

    def complete(self) -> None:
        """Put in what was missing; raise what the reading raised."""
        for place, start, span, chunk in self.missing:
            self.buffers[place] = trim(chunk.result(), start, span)


def answer_now(store: Store, message: RawRequestMessage) -> Answer | None:
    """Return the answer if it fits one write, and read for it what memory lacks."""
    if message.method != "GET" or message.should_close or message.upgrade:
        return None
    path = _PATH.fullmatch(message.path)
    headers = message.headers
    if path is None or any(name in headers for name in _MORE):
        return None
    video = store.recall(int(path[1]))
    if video is None:
        return None
    asked = parse_asked(headers)
    plan = plan_video("GET", asked, video, BOUNDARY)
    return gather(store, video, plan, asked.get("Range"))


def gather(store: Store, video: Video, plan: Plan, asked: str | None) -> Answer | None:
    """Return head and body, asking for what is not in memory; None if it is long."""
    buffers: list[bytes | memoryview] = [render_head(plan, keep_alive=True)]
    lacking: list[tuple[int, int, range]] = []
    for piece in plan.body:
        if isinstance(piece, bytes):
            buffers.append(piece)
            continue
        starts = store.starts(piece)
        if len(starts) + len(buffers) > GROUP + 1:
            return None
        for start in starts if store.aligned else starts[:1]:
            held = store.held(video, start)
            if held is None:
                lacking.append((len(buffers), start, piece))
                buffers.append(b"")
            else:
                buffers.append(trim(held, start, piece))
    missing = [
        Missing(place, start, span, store.read_whole(video, start, span))
        for place, start, span in lacking
    ]
    length = int(plan.headers.get("Content-Length", 0))
    return Answer(plan.status, length, asked, buffers, missing)
