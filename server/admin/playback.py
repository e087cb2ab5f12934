"""How clips played where they were watched, for the page that shows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.admin.listing import answer
from server.admin.token import guarded
from server.api.bodies import parse_query
from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from aiohttp import web

    from server.postgres.pool import Database

DAYS = 28  # as measure_playback has it
LISTS = {"networks": "network", "levels": "level", "videos": "video"}


class Played(NamedTuple):
    """A row of measure_playback."""

    video_id: int | None
    name: str  # of a clip, a network or a level, whose 0 is the clip itself
    plays: int
    without_picture: int
    first_frame_median_ms: int | None
    first_frame_p90_ms: int | None
    stalls: int
    stalls_per_play: float
    stalled_percent: float | None  # of the time from the first picture to the end
    kbit_per_s: int | None
    errors: int


@guarded
async def get_playback(request: web.Request) -> web.Response:
    """Answer with all plays of four weeks, by network, by level and by video."""
    parse_query(request)
    database = request.app[STORE].database
    whole, *lists = await asyncio.gather(
        *(_measure(database, by) for by in ("all", *LISTS.values()))
    )
    return answer(
        {
            "days": DAYS,
            "all": whole[0] if whole else None,
            **dict(zip(LISTS, lists, strict=True)),
        }
    )


async def _measure(database: Database, by: str) -> list[dict[str, object]]:
    values = {"by": by, "bounds": list(FIRST_FRAME_MS)}
    try:
        rows = await database.fetch(queries()["measure_playback"], values)
    except (UndefinedTable, InsufficientPrivilege):  # nothing was ever told
        return []
    return [Played(*row)._asdict() for row in rows]
