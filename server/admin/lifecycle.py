"""What the admin's routes need, from the start of the application to its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from server.admin.history import keep_history
from server.admin.jobs import JOBS, Jobs, silence_psycopg2
from server.admin.spool import SPOOL, Spool, opening_spool
from server.admin.token import ACCESS, Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

SWEEP_SECONDS = 60.0
BREAK_SECONDS = 7.5  # after it was told to stop; answers have 7.7


def add_admin(
    app: web.Application,
    database_url: str,
    token: str,
    spool: Path | None,
    *,
    workers: int = 1,
) -> None:
    """Have the application open and close it; without a token, only refuse requests.

    spool is the folder for uploads that workers share; one alone makes its own. They
    share memory too.
    """
    app[ACCESS] = Access(token)

    async def open_admin(app: web.Application) -> AsyncIterator[None]:
        with silence_psycopg2(), ExitStack() as stack:
            app[SPOOL] = Spool(spool or stack.enter_context(opening_spool()))
            app[JOBS] = Jobs(database_url, workers)
            sweeping = asyncio.create_task(sweep(app[SPOOL]))
            yield
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await asyncio.to_thread(app[JOBS].close)

    if token:
        app.cleanup_ctx.append(open_admin)
        app.cleanup_ctx.append(keep_history)
        app.on_shutdown.append(break_off_soon)


async def break_off_soon(app: web.Application) -> None:
    """Let jobs go on for a while, but not longer than the server may take to stop."""
    loop = asyncio.get_running_loop()
    loop.call_later(BREAK_SECONDS, app[JOBS].break_off)


async def sweep(spool: Spool, sleep: float = SWEEP_SECONDS) -> None:
    """Drop what is too old, for as long as the server runs."""
    while True:
        await asyncio.to_thread(spool.sweep, time.time())
        await asyncio.sleep(sleep)
