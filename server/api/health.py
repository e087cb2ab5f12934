"""Is the process alive; are the database and its videos in reach?"""

import psycopg2
from aiohttp import web
from psycopg2.errors import UndefinedFunction

from server.api.errors import build_error_response
from server.reading.store import STORE, check_columns

_HEADERS = {"Cache-Control": "no-store"}


async def get_health(request: web.Request) -> web.Response:
    """Answer as long as the process does."""
    return web.json_response({"status": "alive"}, headers=_HEADERS)


async def get_readiness(request: web.Request) -> web.Response:
    """Answer 200 if videos can be served, else 503."""
    try:
        await check_columns(request.app[STORE].database)
    except UndefinedFunction:
        sentence = "A column of videos has a type that is not read: run bytereel doctor"
        return build_error_response(503, sentence)
    except psycopg2.ProgrammingError:
        sentence = "The database has no videos to serve: run bytereel migrate"
        return build_error_response(503, sentence)
    return web.json_response({"status": "ready"}, headers=_HEADERS)
