"""Is the process alive; are the database and its videos in reach?"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING

import psycopg2
from aiohttp import web
from psycopg2.errors import InsufficientPrivilege, UndefinedFunction

from server.api.errors import build_error_response
from server.api.troubles import SLOW, explain_trouble
from server.reading.store import STORE, check_columns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.postgres.pool import Database

CHECK_SECONDS = 1.0  # between looks at a database that is not ready
_HEADERS = {"Cache-Control": "no-store"}
_WRONG_TYPE = "A column of videos has a type that is not read: run bytereel doctor"
_NO_VIDEOS = "The database has no videos to serve: run bytereel migrate"

_log = logging.getLogger(__name__)


class Readiness:
    """Whether videos can be served; what is wrong is looked at until it is well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reason: str | None = None  # why they can't, as long as that is known
        self._look: asyncio.Task[None] | None = None
        self._repeating: asyncio.Task[None] | None = None
        self.held = ""  # what else has to come first, while it has not

    async def check(self) -> str | None:
        """Return why videos can't be served now, None if they can.

        What is wrong is told at once, and looked at again in the background.
        """
        if self._reason is not None:
            return self._reason
        if self.held:
            return self.held
        if self._look is None or self._look.done():
            # In a context of its own: it goes on when this answer is given.
            self._look = asyncio.create_task(self._look_now(), context=Context())
        look = {self._look}  # which others may wait for too
        _, pending = await asyncio.wait(look, timeout=self._database.answer_seconds / 3)
        if pending:
            self._reason = SLOW  # until the look says more
        return self._reason

    async def close(self) -> None:
        """Look no more."""
        tasks = [task for task in (self._look, self._repeating) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_now(self) -> None:
        self._reason = await find_reason(self._database)
        if self._reason is not None:
            self._repeating = asyncio.create_task(self._repeat())

    async def _repeat(self) -> None:
        while self._reason is not None:
            with suppress(MemoryError):  # which must not end it
                await asyncio.sleep(CHECK_SECONDS)
                self._reason = await find_reason(self._database)


async def find_reason(database: Database) -> str | None:
    """Return why videos can't be served now, None if they can."""
    try:
        await check_columns(database)
    except UndefinedFunction:
        return _WRONG_TYPE
    except InsufficientPrivilege as error:
        return explain_trouble(error)
    except psycopg2.ProgrammingError:
        return _NO_VIDEOS
    except Exception as error:
        reason = explain_trouble(error)
        if reason is None:
            _log.exception("the check of the database failed")
            return "The check of the database failed: see the server's log."
        return reason
    return None


READINESS: web.AppKey[Readiness] = web.AppKey("readiness")


async def keep_readiness(app: web.Application) -> AsyncIterator[None]:
    """Have the application tell whether it is ready, until it ends."""
    readiness = app[READINESS] = Readiness(app[STORE].database)
    yield
    await readiness.close()


async def get_health(request: web.Request) -> web.Response:
    """Answer as long as the process does."""
    return web.json_response({"status": "alive"}, headers=_HEADERS)


async def get_readiness(request: web.Request) -> web.Response:
    """Answer 200 if videos can be served, else 503 with the reason.

    While the database is known not to be ready, nobody waits for it.
    """
    reason = await request.app[READINESS].check()
    if reason is not None:
        return build_error_response(503, reason)
    return web.json_response({"status": "ready"}, headers=_HEADERS)
