"""GET of a video's levels: smaller encodings, each a video of its own."""

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.api.errors import build_error_response
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.postgres.pool import Database

HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "public, max-age=60",  # others may be added
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
}
# Of a database that is not ours, or a role that may not read the tables.
_NO_LEVELS = (UndefinedTable, InsufficientPrivilege)


class Level(NamedTuple):
    """A row of list_levels or list_with_levels: a level, or the original itself."""

    video_id: int
    original_id: int
    width: int | None  # as it is shown; None of an original that was not looked at
    height: int | None
    bit_rate: int | None  # bits per second
    frame_rate: float | None
    codecs: str | None  # as RFC 6381 has them
    bytes: int

    def tell(self) -> dict[str, object]:
        """Return it for JSON."""
        fields = self._asdict()
        video_id = fields.pop("video_id")
        return {"id": video_id, "url": f"/v3/videos/{video_id}.mp4", **fields}


async def get_levels(request: web.Request) -> web.Response:
    """Answer with a video and its levels, the least bits first."""
    store, video_id = request.app[STORE], int(request.match_info["id"])
    found = await _list_all(store.database, video_id) if video_id <= ID_MAX else []
    if not found:
        video = None
        if video_id <= ID_MAX:
            video, _ = await store.find(video_id, 0, 0)
        if video is None:
            return build_error_response(404, f"There is no video {video_id}.")
        empty = (None, None, None, None, None)
        found = [Level(video_id, video_id, *empty, video.size)]
    levels = [level.tell() for level in found]
    body = json.dumps({"levels": levels}, separators=(",", ":")).encode()
    tag = {"Cache-Tag": f"video-{found[0].original_id}"}
    return web.Response(body=body, headers=HEADERS | tag)


async def _list_all(database: Database, video_id: int) -> list[Level]:
    try:
        rows = await database.fetch(queries()["list_with_levels"], {"id": video_id})
    except _NO_LEVELS:
        return []
    return [Level(*row) for row in rows]


async def list_levels(database: Database, ids: Iterable[int]) -> dict[int, list[Level]]:
    """Return the levels of videos, by video; none where there is no table of them."""
    values = {"ids": sorted({video for video in ids if 0 < video <= ID_MAX})}
    try:
        rows = await database.fetch(queries()["list_levels"], values)
    except _NO_LEVELS:
        return {}
    levels = (Level(*row) for row in rows)
    return {
        original: list(group)
        for original, group in groupby(levels, attrgetter("original_id"))
    }
