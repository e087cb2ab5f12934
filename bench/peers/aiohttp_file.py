"""aiohttp's FileResponse: python -m bench.peers.aiohttp_file PORT."""

import os
import sys
from pathlib import Path

import uvloop
from aiohttp import web

FILES = Path(os.environ["BENCH_FOLDER"], "v3", "videos")


async def get_video(request: web.Request) -> web.FileResponse:
    """Send the file, or the part asked for."""
    return web.FileResponse(
        FILES / request.match_info["id"], headers={"Content-Type": "video/mp4"}
    )


def main() -> None:
    """Serve until told to stop."""
    app = web.Application()
    app.add_routes([web.get("/v3/videos/{id:[0-9]+}", get_video)])
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        loop=uvloop.new_event_loop(),
        print=None,
    )


if __name__ == "__main__":
    main()
