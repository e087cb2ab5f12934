"""FastAPI and asyncpg on the same table, for uvicorn; one range at a time.

The first chunk comes with what the headers need, in one statement; asyncpg prepares it
once a connection. No connection is held while the client takes what was read.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

CHUNK_BYTES = 256 * 1024
CONNECTIONS = 8
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
FIRST = """
    SELECT octet_length(video_data), mime_type, created_at,
           substring(video_data FROM $2 + 1 FOR $3)
      FROM videos
     WHERE id = $1
"""
NEXT = "SELECT substring(video_data FROM $2 + 1 FOR $3) FROM videos WHERE id = $1"
FIND_SIZE = "SELECT octet_length(video_data) FROM videos WHERE id = $1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the application runs."""
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=CONNECTIONS, max_size=CONNECTIONS
    ) as app.state.pool:
        yield


async def get_video(video_id: int, request: Request) -> Response:
    """Send the video, or the one range asked for."""
    pool = request.app.state.pool
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    first, last = asked.groups() if asked else ("", "")
    if last and not first:
        size = await pool.fetchval(FIND_SIZE, video_id)
        first, last = str(max((size or 0) - int(last), 0)), ""
    start = int(first or 0)
    length = min(int(last) + 1 - start, CHUNK_BYTES) if last else CHUNK_BYTES
    row = await pool.fetchrow(FIRST, video_id, start, max(length, 0))
    if row is None:
        return Response('{"error": "Video not found"}', 404)
    size, mime_type, created_at, data = row
    stop = min(int(last) + 1, size) if last else size
    if first and start >= stop:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {
        "Content-Type": mime_type,
        "Content-Length": str(stop - start),
        "Accept-Ranges": "bytes",
        "ETag": f'"{video_id}-{size}"',
        "Last-Modified": f"{created_at:%a, %d %b %Y %H:%M:%S} GMT",
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    if first:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if first else 200
    if len(data) == stop - start:
        return Response(data, status, headers)

    async def read() -> AsyncIterator[bytes]:
        yield data
        for offset in range(start + len(data), stop, CHUNK_BYTES):
            length = min(CHUNK_BYTES, stop - offset)
            yield await pool.fetchval(NEXT, video_id, offset, length)

    return StreamingResponse(read(), status, headers)


app = FastAPI(lifespan=lifespan)
app.add_api_route("/v3/videos/{video_id}", get_video, response_model=None)
