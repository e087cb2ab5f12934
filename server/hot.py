"""Answer what memory holds as soon as it is parsed, before aiohttp makes a task of it.

A request for a video goes through the same parse, plan and send as any other; only
the reading is missing. Whatever is not at hand takes aiohttp's way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.chunks import GROUP, trim
from server.plan import plan_video
from server.sending import render_head
from server.videos import BOUNDARY, parse_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
    from aiohttp.streams import StreamReader

    from server.model import Video
    from server.plan import Plan
    from server.store import Store

    Buffers = list[bytes | memoryview]
    Message = tuple[RawRequestMessage, StreamReader]

_PATH = re.compile(r"/v3/videos/([1-9][0-9]{0,9})(?:\.mp4)?", re.ASCII)
# What a request may have besides its head, or want before it.
_MORE = ("Content-Length", "Transfer-Encoding", "Expect")


class HotParser:
    """aiohttp's parser; it keeps to itself the requests that are answered at once."""

    def __init__(
        self,
        parser: HttpRequestParser,
        write_now: Callable[[RawRequestMessage], bool],
    ) -> None:
        self._parser = parser
        self._write_now = write_now

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Sequence[Message], bool, bytes]:
        """Return the requests in data that are still to be answered."""
        messages, upgraded, tail = self._parser.feed_data(data)
        if len(messages) == 1 and self._write_now(messages[0][0]):
            self._parser.message_consumed()
            return (), upgraded, tail
        return messages, upgraded, tail


def answer_now(store: Store, message: RawRequestMessage) -> Buffers | None:
    """Return the whole answer if it needs no reading and fits one write."""
    if message.method != "GET" or message.should_close or message.upgrade:
        return None
    path = _PATH.fullmatch(message.path)
    headers = message.headers
    if path is None or any(name in headers for name in _MORE):
        return None
    video = store.recall(int(path[1]))
    if video is None:
        return None
    plan = plan_video("GET", parse_asked(headers), video, BOUNDARY)
    return gather(store, video, plan)


def gather(store: Store, video: Video, plan: Plan) -> Buffers | None:
    """Return head and body if no more than GROUP chunks make it, all in memory."""
    buffers: Buffers = [render_head(plan, keep_alive=True)]
    for piece in plan.body:
        if isinstance(piece, bytes):
            buffers.append(piece)
            continue
        starts = store.starts(piece)
        if len(starts) + len(buffers) > GROUP + 1:
            return None
        for start in starts:
            held = store.held(video, start)
            if held is None:
                return None
            buffers.append(trim(held, start, piece))
    return buffers
