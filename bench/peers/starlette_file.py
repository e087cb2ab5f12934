"""Starlette's FileResponse, for uvicorn."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

FILES = Path(os.environ["BENCH_FOLDER"], "v3", "videos")


async def get_video(request: Request) -> FileResponse:
    """Send the file, or the part asked for."""
    path = FILES / str(request.path_params["id"])
    return FileResponse(path, media_type="video/mp4")


app = Starlette(routes=[Route("/v3/videos/{id:int}", get_video)])
