"""GET and HEAD of a video's other pictures: of moments, and of the whole video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.api.fields import FieldFault, FieldType, NotAllowed, parse_fields
from server.library.clips.moments import parse_moment, render_moment, snap_moment
from server.library.clips.previews import (
    ANIMATION,
    FRAME,
    STORYBOARD,
    MadePreview,
    NoPreview,
    PreviewKey,
    explain_short,
)
from server.library.clips.storyboard import LEAST_SECONDS
from server.model import Preview
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX, parse_asked
from server.video.making import MAKER, MakerBusy
from server.video.plan import Plan, plan_error
from server.video.sending import send
from server.video.thumbnails import get_thumbnail, plan_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from server.postgres.pool import Database

RETRY_SECONDS = 2
# Of one address of many for the same picture: shared caches need not keep them all.
_ONE_OF_MANY = "private, max-age=31536000, immutable"
_NO_VIDEO = "Video not found"
_ROUNDING_MS = 1000  # half of the seconds of a row, and something for safety


def _read_moment(text: object) -> int:
    moment = parse_moment(str(text))
    if moment is None:
        raise NotAllowed
    return moment


_FIELDS = {"time": FieldType("a number of seconds such as 3.2", _read_moment)}


async def get_thumbnail_or_frame(request: web.Request) -> web.StreamResponse:
    """Answer with the picture that stands for a video, or that of a moment."""
    is_moment = "time" in request.query
    return await (get_frame(request) if is_moment else get_thumbnail(request))


async def get_frame(request: web.Request) -> web.StreamResponse:
    """Answer with the picture of the moment that the parameter time names."""
    more = dict[str, str]()
    try:
        asked = parse_fields(request.query.items(), _FIELDS, ignore_unknown=True)
    except FieldFault as fault:
        return await _send(request, plan_error(400, str(fault)))
    found = await _find_video(request)
    if found is None:
        return await _send(request, plan_error(404, _NO_VIDEO))
    size, length_ms = found
    moment = snap_moment(asked["time"], length_ms)
    canonical = f"time={render_moment(moment)}"
    if request.query_string != canonical:
        more = {
            "Cache-Control": _ONE_OF_MANY,
            "Content-Location": f"{request.path}?{canonical}",
        }
    key = PreviewKey(int(request.match_info["id"]), FRAME, moment)
    kept = await find_preview(request.app[STORE].database, key)
    return await _answer(request, key, kept, size, more=more)


async def get_animation(request: web.Request) -> web.StreamResponse:
    """Answer with a few frames of the whole video, as an animated WebP."""
    return await _answer_about_all(request, ANIMATION)


async def get_storyboard(request: web.Request) -> web.StreamResponse:
    """Answer with the tiles of the whole video in one JPEG."""
    return await _answer_about_all(request, STORYBOARD)


async def get_cues(request: web.Request) -> web.StreamResponse:
    """Answer with WebVTT that says which tile shows which moments."""
    return await _answer_about_all(request, STORYBOARD, cues=True)


async def _answer_about_all(
    request: web.Request, kind: str, *, cues: bool = False
) -> web.StreamResponse:
    video_id, kept, size = int(request.match_info["id"]), None, 0
    key = PreviewKey(video_id, ANIMATION if kind == ANIMATION else STORYBOARD)
    if video_id <= ID_MAX:
        kept = await find_preview(request.app[STORE].database, key, cues=cues)
    if kept is None:
        found = await _find_video(request)
        if found is None:
            return await _send(request, plan_error(404, _NO_VIDEO))
        size, length_ms = found
        if kind == STORYBOARD and _is_short(length_ms):
            sentence = explain_short(video_id, (length_ms or 0) / 1000)
            return await _send(request, plan_error(404, sentence))
    return await _answer(request, key, kept, size, cues=cues)


def _is_short(length_ms: int | None) -> bool:
    """Report whether the row tells that a video is too short for a storyboard."""
    least_ms = LEAST_SECONDS * 1000
    return length_ms is not None and length_ms + _ROUNDING_MS <= least_ms


async def _answer(
    request: web.Request,
    key: PreviewKey,
    kept: Preview | None,
    size: int,
    *,
    cues: bool = False,
    more: Mapping[str, str] = {},
) -> web.StreamResponse:
    """Answer with what is kept, or what has to be made; more are further headers."""
    try:
        if kept is None:
            made = await request.app[MAKER].make(key, size)
            kept = _build_preview(key, made, cues=cues)
        asked = parse_asked(request.headers)
        plan = plan_picture(request.method, asked, kept, more)
    except NoPreview as none:
        # It may have been deleted meanwhile, which makes a picture fail too.
        is_there = await _find_video(request) is not None
        plan = plan_error(404, str(none) if is_there else _NO_VIDEO)
    except MakerBusy as busy:
        plan = plan_error(503, str(busy), {"Retry-After": str(RETRY_SECONDS)})
    return await _send(request, plan)


def _build_preview(key: PreviewKey, made: MadePreview, *, cues: bool) -> Preview:
    if cues:
        return Preview(key.video_id, "text/vtt", None, (made.cues or "").encode())
    return Preview(key.video_id, made.mime_type, None, made.image)


async def _send(request: web.Request, plan: Plan) -> web.StreamResponse:
    if request.method == "HEAD":
        plan = plan._replace(body=())
    return await send(request, plan, request.app[STORE], None, None, lambda span: None)


async def _find_video(request: web.Request) -> tuple[int, int | None] | None:
    """Return the bytes of a video, and its length in milliseconds if that is known."""
    video_id = int(request.match_info["id"])
    if video_id > ID_MAX:
        return None
    database = request.app[STORE].database
    rows = await database.fetch_binary(queries()["find_previewable"], {"id": video_id})
    if not rows:
        return None
    [(size, length_ms)] = rows
    return int(size or 0), length_ms


async def find_preview(
    database: Database, key: PreviewKey, *, cues: bool = False
) -> Preview | None:
    """Return a preview that is kept; none where there is no table that we may read."""
    values = {**key._asdict(), "cues": cues}
    try:
        rows = await database.fetch_binary(queries()["find_preview"], values)
    except (UndefinedTable, InsufficientPrivilege):
        return None
    return Preview(*rows[0]) if rows else None
