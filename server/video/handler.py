"""GET and HEAD of a video, in four steps: parse, plan, read, send."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from server.reading.store import STORE, VideoChanged
from server.video.guess import guess_first
from server.video.pacing import PACER
from server.video.plan import PREFLIGHT, Plan, plan_video
from server.video.ranges import asks_too_much
from server.video.sending import send
from server.video.watch import WATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from multidict import CIMultiDictProxy

    from server.model import Video
    from server.reading.store import Store

ID_MAX = 2**31 - 1
ATTACK_SECONDS = 0.5  # until an attack is refused; without, it is asked again at once

ASKED = (
    "If-Match",
    "If-Unmodified-Since",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
    "Range",
)
CODING = "Accept-Encoding"  # chooses as well, of what may be compressed
BOUNDARY = secrets.token_hex(16)  # unguessable, so no video contains it


async def get_video(request: web.Request) -> web.StreamResponse:
    """Answer for one video."""
    await delay_attack(request)
    try:
        return await answer(request)
    except VideoChanged:  # the row we remembered is out of date: read it again
        return await answer(request)


async def delay_attack(request: web.Request) -> None:
    """Keep who asks for far too many ranges from asking again at once."""
    if asks_too_much(request.headers.get("Range", "")):
        await asyncio.sleep(ATTACK_SECONDS)


async def find_video(store: Store, video_id: int) -> Video | None:
    """Return a video, as it was a moment ago at the earliest."""
    video = store.recall(video_id, monotonic())
    if video is None and video_id <= ID_MAX:
        video, _ = await store.find(video_id, 0, 0)
    return video


async def answer(request: web.Request) -> web.StreamResponse:
    """Parse, plan, read, send; raise VideoChanged if nothing has been sent yet."""
    store = request.app[STORE]
    asked = parse_asked(request.headers)
    video_id = int(request.match_info["id"])
    video, first = store.recall(video_id, monotonic()), None
    if video is None and video_id <= ID_MAX:
        video, first = await store.find(video_id, *guess_first(request.method, asked))
    plan = plan_video(request.method, asked, video, BOUNDARY)
    pace = None
    if video is not None and plan.body and request.app[PACER].multiple:
        pace = await request.app[PACER].find(request, video, store.database)
    with show(request, video, plan) as sent:
        return await send(request, plan, store, video, first, sent, pace)


def parse_asked(
    headers: CIMultiDictProxy[str], wanted: Iterable[str] = ASKED
) -> dict[str, str]:
    """Return the headers that choose the answer; repeated ones become one list.

    A header that may not be a list is then malformed and ignored (RFC 9110, 5.3).
    """
    return {name: ", ".join(headers.getall(name)) for name in wanted if name in headers}


@contextmanager
def show(
    request: web.Request, video: Video | None, plan: Plan
) -> Iterator[Callable[[range], None]]:
    """Yield a function that tells a watching page of each span sent."""
    watch, viewer = request.app[WATCH], request.query.get("viewer")
    answer = None
    if watch is not None and viewer is not None and video is not None:
        asked = request.headers.get("Range", "")
        answer = watch.begin(viewer, video.id, video.size, plan.status, asked)
    if answer is None:
        yield lambda span: None
        return
    left = sum(len(piece) for piece in plan.body if isinstance(piece, range))

    def tell(span: range) -> None:
        nonlocal left
        left -= len(span)
        answer.sent(span)

    try:
        yield tell
    finally:
        answer.end(complete=left == 0)


async def get_preflight(request: web.Request) -> web.Response:
    """Allow pages of any origin to ask for ranges."""
    return web.Response(status=204, headers=PREFLIGHT)
