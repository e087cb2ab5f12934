"""One small coroutine a query; the statements stand in sql/queries."""

from collections.abc import AsyncGenerator, Callable, Sequence

from aiohttp import web

from server.database import Database
from server.model import Video
from server.queries import queries

DATABASE = web.AppKey("database", Database)

CHUNK_BYTES = 256 * 1024


class VideoChanged(Exception):
    """The row is gone, or no longer the one whose size was announced."""


async def find_video(database: Database, video_id: int) -> Video | None:
    """Return one video without its bytes."""
    rows = await database.fetch(queries()["find_video"], {"id": video_id})
    return Video(*rows[0]) if rows else None


async def list_videos(database: Database, limit: int) -> list[tuple[Video, int | None]]:
    """Return the newest videos without their bytes, each with its seconds if known."""
    rows = await database.fetch(queries()["list_videos"], {"limit": limit})
    return [(Video(*row), seconds) for *row, seconds in rows]


async def check_videos(database: Database) -> None:
    """Raise what PostgreSQL says when serving can't read its columns."""
    await database.fetch(queries()["check_videos"], {})


async def read_body(
    database: Database,
    video: Video | None,
    body: Sequence[bytes | range],
    sent: Callable[[range], None],
) -> AsyncGenerator[bytes, None]:
    """Yield a planned body, holding no connection while the client takes it.

    sent is told each span of the video when the next bytes are asked for.
    """
    for piece in body:
        if isinstance(piece, bytes):
            yield piece
            continue
        assert video is not None  # what is not there has no spans
        for start in piece[::CHUNK_BYTES]:
            span = range(start, min(start + CHUNK_BYTES, piece.stop))
            yield await read_chunk(database, video, span)
            sent(span)


async def read_chunk(database: Database, video: Video, span: range) -> bytes:
    """Return the bytes of span.

    Raises VideoChanged rather than return others.
    """
    values = {
        "id": video.id,
        "size": video.size,
        "start": span.start,
        "length": len(span),
    }
    rows = await database.fetch_binary(queries()["read_chunk"], values)
    if not rows or len(rows[0][0]) != len(span):
        raise VideoChanged(video.id)
    data: bytes = rows[0][0]
    return data
