"""The description of the API, for those who generate clients or tests from it."""

from functools import cache
from pathlib import Path

from aiohttp import web

_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-cache",
    "Access-Control-Allow-Origin": "*",  # editors of such files are pages
    "X-Content-Type-Options": "nosniff",
}


async def get_openapi(request: web.Request) -> web.Response:
    """Answer with OpenAPI 3.1."""
    return web.Response(body=read_openapi(), headers=_HEADERS)


@cache
def read_openapi() -> bytes:
    """Return the description as it lies beside this file."""
    return Path(__file__).with_name("openapi.json").read_bytes()
