"""The first page: the clips, a player, and live which bytes are being sent to it."""

from __future__ import annotations

import asyncio
import json
import re
from html import escape
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.errors import build_error_response
from server.hls.coding import accepts_gzip
from server.library.report import show_bytes
from server.pages import (
    PAGE_HEADERS,
    hash_assets,
    pack_asset,
    read_assets,
    read_template,
)
from server.practice.batch import list_learners
from server.reading.store import STORE, list_videos
from server.video.thumbnails import list_thumbnails
from server.video.watch import WATCH, News

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from server.model import Video

CLIPS_MAX = 200
HEARTBEAT_SECONDS = 15  # shorter than what proxies allow an idle connection
GATHER_SECONDS = 0.04  # events within this time go to the page together
_STREAM_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
    "X-Content-Type-Options": "nosniff",
}
_PICTURE = 'width="64" height="36" alt="" loading="lazy"'
_VIEWER = re.compile(r"[A-Za-z0-9-]{8,64}")


async def get_index(request: web.Request) -> web.Response:
    """Answer with the page and its list of clips."""
    database = request.app[STORE].database
    clips = await list_videos(database, CLIPS_MAX)
    pictured = await list_thumbnails(database, [video.id for video, _ in clips])
    live = request.app[WATCH] is not None
    learners = await list_learners(database) if live else []
    page = render_index(clips, learners, pictured, live=live)
    return web.Response(text=page, content_type="text/html", headers=PAGE_HEADERS)


def render_index(
    clips: Iterable[tuple[Video, float | None]],
    learners: Iterable[tuple[str, int]] = (),
    pictured: Container[int] = (),
    *,
    live: bool,
) -> str:
    """Return the page for clips and their seconds, where those are known.

    learners are who can practise, and how many of their words are due; pictured are
    the ids of clips with a thumbnail; live says whether the page can ask what is being
    sent.
    """
    entries = "".join(
        render_clip(video, seconds, pictured=video.id in pictured)
        for video, seconds in clips
    )
    links = "".join(
        render_learner(number, user_id, due)
        for number, (user_id, due) in enumerate(learners, start=1)
    )
    return read_template("home").substitute(
        clips=entries,
        learners=links,
        practice="" if links else "hidden",
        live="yes" if live and entries else "no",
        full="" if entries else "hidden",
        empty="hidden" if entries else "",
    )


def render_clip(video: Video, seconds: float | None, *, pictured: bool = False) -> str:
    """Return one entry of the list; any text may stand in a file name."""
    picture = f'<img src="/v3/videos/{video.id}/thumbnail" {_PICTURE}>'
    return (
        f'<li><a class="clip" href="/v3/videos/{video.id}.mp4"'
        f' data-id="{video.id}" data-size="{video.size}">'
        f'<span class="picture">{picture if pictured else ""}</span>'
        f'<bdi class="name">{escape(video.filename)}</bdi>'
        f'<span class="facts"><span class="length">{render_length(seconds)}</span>'
        f"{show_bytes(video.size)}</span></a></li>\n"
    )


def render_learner(number: int, user_id: str, due: int) -> str:
    """Return the link by which a learner of the demo practises."""
    words = f"{due} word{'' if due == 1 else 's'} due"
    return (
        f'<li><a href="/practice?user_id={escape(user_id)}">'
        f"Learner {number} <span>{words}</span></a></li>\n"
    )


def render_length(seconds: float | None) -> str:
    """Return a length as it is read, with what divides it from the size."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} · "


async def get_asset(request: web.Request) -> web.Response:
    """Answer with a static file: kept for good under its versioned address."""
    asset = read_assets().get(request.match_info["name"])
    if asset is None:
        return _refuse(404, "There is no such file.")
    named = request.match_info["version"] == hash_assets()
    headers = {
        "Content-Type": asset.content_type,
        "Cache-Control": "public, max-age=31536000, immutable" if named else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
        packed = pack_asset(request.match_info["name"])
        return web.Response(
            body=packed, headers={**headers, "Content-Encoding": "gzip"}
        )
    return web.Response(body=asset.body, headers=headers)


async def get_reads(request: web.Request) -> web.StreamResponse:
    """Answer with Server-Sent Events: the pieces of videos on their way to a viewer."""
    watch = request.app[WATCH]
    if watch is None:
        return _refuse(404, "Nothing is watched here; start the server by its demo.")
    viewer = request.query.get("viewer", "")
    if _VIEWER.fullmatch(viewer) is None:
        return _refuse(400, "viewer must be 8 to 64 letters, digits or hyphens.")
    news = watch.subscribe(viewer)
    if news is None:
        return _refuse(503, "Too many pages are watching; close one.")
    response = web.StreamResponse(headers=_STREAM_HEADERS)
    try:
        await response.prepare(request)
        await send_news(response, news)
    except ConnectionError:
        pass  # the page was closed
    finally:
        watch.leave(viewer, news)
    return response


async def send_news(response: web.StreamResponse, news: News) -> None:
    """Send events until the news is over, and a sign of life when there are none."""
    await response.write(b"retry: 2000\n\n")
    while not news.over:
        try:
            pieces = await asyncio.wait_for(news.take(), HEARTBEAT_SECONDS)
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        events = (f"data: {json.dumps(piece._asdict())}\n\n" for piece in pieces)
        await response.write("".join(events).encode())
        await asyncio.sleep(GATHER_SECONDS)


def _refuse(status: int, sentence: str) -> web.Response:
    more = {"Retry-After": "10"} if status == 503 else {}
    return build_error_response(status, sentence, more)
