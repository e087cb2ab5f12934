"""The floor for a Python driver: a video read whole, chunk by chunk, sent nowhere.

python -m bench.peers.asyncpg_loop: takes a video's id a line, answers with its bytes
and the seconds that reading them took.
"""

import os
import sys
from time import perf_counter

import asyncpg
import uvloop

CHUNK_BYTES = 256 * 1024
READ = "SELECT substring(video_data FROM $2 + 1 FOR $3) FROM videos WHERE id = $1"


async def read_videos() -> None:
    """Read what is asked for until nothing more is."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    statement = await connection.prepare(READ)
    for line in sys.stdin:
        begun, size, data = perf_counter(), 0, b"\0"
        while data:
            data = await statement.fetchval(int(line), size, CHUNK_BYTES)
            size += len(data)
        print(size, perf_counter() - begun, flush=True)
    await connection.close()


if __name__ == "__main__":
    uvloop.run(read_videos())
