"""GET and HEAD of a video's picture, by the rules of the video itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.errors import UndefinedTable

from server.model import Preview, Thumbnail
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX, parse_asked
from server.video.plan import (
    ANY_ORIGIN,
    FOR_GOOD,
    Plan,
    copy_is_fresh,
    plan_error,
    precondition_holds,
    render_modified,
)
from server.video.sending import send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from server.postgres.pool import Database

_MIME_TYPES = {"image/jpeg", "image/webp", "text/vtt"}
_NONE = {"Cache-Control": "no-store", **ANY_ORIGIN}


async def get_thumbnail(request: web.Request) -> web.StreamResponse:
    """Answer with the picture of one video."""
    store, video_id = request.app[STORE], int(request.match_info["id"])
    asked = parse_asked(request.headers)
    found = None
    if video_id <= ID_MAX:
        found = await find_thumbnail(store.database, video_id)
    plan = plan_thumbnail(request.method, asked, found)
    if found is None and request.query.get("missing") == "empty":
        plan = Plan(204, _NONE)
    return await send(request, plan, store, None, None, lambda span: None)


def plan_thumbnail(
    method: str, asked: Mapping[str, str], found: Thumbnail | None
) -> Plan:
    """Choose the answer in the order of RFC 9110, 13.2.2; a range is ignored."""
    if found is not None:
        return plan_picture(method, asked, found)
    plan = plan_error(404, "This video has no thumbnail, or there is no such video")
    return plan if method == "GET" else plan._replace(body=())


def plan_picture(
    method: str,
    asked: Mapping[str, str],
    found: Thumbnail | Preview,
    more: Mapping[str, str] = {},
) -> Plan:
    """Choose the answer about a picture that is there; more are headers that it has."""
    if not precondition_holds(asked, found):
        sentence = f"The picture of {found.video_id} is not in the state you name."
        plan = plan_error(412, sentence)
    elif copy_is_fresh(asked, found):
        plan = Plan(304, {**_shared_headers(found), **more})
    else:
        plan = Plan(200, {**_render_headers(found), **more}, [found.image])
    return plan if method == "GET" else plan._replace(body=())


def _shared_headers(found: Thumbnail | Preview) -> dict[str, str]:
    """Return what a 304 says too (RFC 9110, 15.4.5)."""
    return {
        "Cache-Control": FOR_GOOD,
        "ETag": found.etag,
        **render_modified(found.date),
        "Cache-Tag": f"video-{found.video_id}",  # who purges the video means this too
        **ANY_ORIGIN,
    }


def _render_headers(found: Thumbnail | Preview) -> dict[str, str]:
    # As with videos: another table's type could be one that runs as code.
    known = found.mime_type in _MIME_TYPES
    return {
        **_shared_headers(found),
        "Content-Type": found.mime_type if known else "application/octet-stream",
        "Content-Length": str(len(found.image)),
        "X-Content-Type-Options": "nosniff",
    }


async def find_thumbnail(database: Database, video_id: int) -> Thumbnail | None:
    """Return the picture of a video; none where there is no table of them."""
    values = {"video_id": video_id}
    try:
        rows = await database.fetch_binary(queries()["find_thumbnail"], values)
    except UndefinedTable:
        return None
    return Thumbnail(*rows[0]) if rows else None


async def list_thumbnails(database: Database, ids: Sequence[int]) -> set[int]:
    """Return which of these videos have a picture."""
    try:
        rows = await database.fetch(queries()["list_thumbnails"], {"ids": list(ids)})
    except UndefinedTable:
        return set()
    return {video_id for (video_id,) in rows}
