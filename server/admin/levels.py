"""Levels of a video: take those to be made from the queue, or ask for them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.admin.jobs import JOBS
from server.admin.listing import answer, find_listed_video, list_encodings, read_id
from server.admin.saving import COMPRESSION
from server.admin.token import guarded
from server.api.bodies import parse_query, read_json
from server.api.fields import choice, required
from server.library.clips.stored import open_video
from server.library.levels.figures import describe
from server.library.levels.ladder import explain_needless
from server.library.levels.queue import cancel, queue, queue_again
from server.library.mp4.movie import read_movie
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.reading.store import STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web
    from psycopg2.extensions import connection as Connection

ACTIONS = ("cancel", "again")


@guarded
async def post_levels(request: web.Request) -> web.Response:
    """Cancel what is not made yet, or queue what failed, was cancelled or not kept.

    The latter also queues what an upload of this video would get and it never got.
    """
    parse_query(request)
    asked = await read_json(request, action=required(choice(*ACTIONS)))
    database, video_id = request.app[STORE].database, read_id(request)
    await find_listed_video(database, video_id)
    jobs, heights = request.app[JOBS], request.app[COMPRESSION].levels
    change = (jobs.database_url, video_id, asked["action"], heights)
    changed = await jobs.run(_change, *change)
    levels = await list_encodings(database, [video_id])
    return answer({"changed": changed, "levels": levels.get(video_id, [])})


def _change(url: str, video_id: int, action: str, heights: Sequence[int]) -> int:
    with opening(url) as connection, connection, connection.cursor() as cursor:
        if action == "cancel":
            return cancel(cursor, [video_id])
        needed = _list_needed(connection, video_id, heights)
        return queue_again(cursor, [video_id]) + queue(cursor, needed, [video_id])


def _list_needed(
    connection: Connection, video_id: int, heights: Sequence[int]
) -> list[int]:
    """Return the heights below that of the video; all if nobody knows that."""
    with connection.cursor() as cursor:
        cursor.execute(queries()["read_video_size"], {"id": video_id})
        [(size,)] = cursor.fetchall() or [(0,)]
    movie = read_movie(*open_video(connection, video_id, size or 0))
    figures = describe(movie) if movie else None
    if figures is None:
        return list(heights)
    return [height for height in heights if not explain_needless(figures, height)]
