"""GET and HEAD of a video, in four steps: parse, plan, read, send."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager

from aiohttp import web
from multidict import CIMultiDictProxy

from server.model import Video
from server.plan import PREFLIGHT, Plan, plan_video
from server.store import DATABASE, find_video, read_body
from server.watch import WATCH

ID_MAX = 2**31 - 1

_ASKED = (
    "If-Match",
    "If-Unmodified-Since",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
    "Range",
)
_BOUNDARY = secrets.token_hex(16)  # nobody can put it into a video beforehand

_log = logging.getLogger(__name__)


async def get_video(request: web.Request) -> web.StreamResponse:
    """Answer for one video."""
    database = request.app[DATABASE]
    asked = parse_asked(request.headers)
    video_id = int(request.match_info["id"])
    video = await find_video(database, video_id) if video_id <= ID_MAX else None
    plan = plan_video(request.method, asked, video, _BOUNDARY)
    with show(request, video, plan) as sent:
        async with aclosing(read_body(database, video, plan.body, sent)) as body:
            return await send(request, plan, body)


@contextmanager
def show(
    request: web.Request, video: Video | None, plan: Plan
) -> Iterator[Callable[[range], None]]:
    """Yield what to tell of each span that went out, to a page that looks on."""
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


def parse_asked(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Return the headers that choose the answer; repeated ones become one list.

    RFC 9110, 5.3. What may not be a list then breaks its own grammar and is ignored.
    """
    return {name: ", ".join(headers.getall(name)) for name in _ASKED if name in headers}


async def send(
    request: web.Request, plan: Plan, body: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send head and body at the client's pace; a client that leaves is no error."""
    # Read before the status goes out: a database that is away still can be a 503.
    data = await anext(body, b"")
    response = web.StreamResponse(status=plan.status, headers=plan.headers)
    try:
        await response.prepare(request)
        await response.write(data)
        async for data in body:
            await response.write(data)
    except ConnectionError:
        pass  # the client has left; most answers to a player end like this
    except Exception as error:
        # Too late for another status: short of Content-Length the client must notice.
        _log.warning("%s broken off: %r", request.path, error)
        if request.transport is not None:
            request.transport.abort()
    return response


async def get_preflight(request: web.Request) -> web.Response:
    """Allow pages of any origin to ask for ranges."""
    return web.Response(status=204, headers=PREFLIGHT)
