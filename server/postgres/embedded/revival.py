"""Have a supervisor again where it was killed, while a server goes on."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from server.errors import Fault
from server.postgres.embedded import start_supervisor, supervisor
from server.postgres.embedded.cluster import prepare_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

CHECK_SECONDS = 1.0
MOST_SECONDS = 30.0  # between attempts that fail

FAILURES = (Fault, OSError, subprocess.SubprocessError, MemoryError, RuntimeError)
"""RuntimeError: no thread can be started."""

_log = logging.getLogger(__name__)


def add_revival(app: web.Application, data_dir: Path, url: str) -> None:
    """Have the application keep the PostgreSQL in data_dir running at its URL."""

    folder = data_dir.expanduser().resolve()

    async def keep(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(keep_supervised(folder, url))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app.cleanup_ctx.append(keep)


async def keep_supervised(folder: Path, url: str) -> NoReturn:
    """Look every second whether a supervisor lives, and start one if not."""
    pause, said = CHECK_SECONDS, ""
    while True:
        try:
            await asyncio.sleep(pause)
            revived = await asyncio.to_thread(revive, folder, url)
        except FAILURES as error:
            pause = min(2 * pause, MOST_SECONDS)
            if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
                continue  # which the server tells itself
            reason = explain(error)
            if said != reason:
                said = reason
                _log.warning("the embedded PostgreSQL cannot be kept: %s", said)
            continue
        pause = CHECK_SECONDS
        if revived:
            said = ""
            _log.warning("what keeps the embedded PostgreSQL was gone: started again")


def explain(error: Exception) -> str:
    """Return what happened, without the command line of what failed."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"{Path(error.cmd[0]).name} ended with status {error.returncode}"
    return str(error)


def revive(folder: Path, url: str) -> bool:
    """Start a supervisor if none lives; report whether one was started."""
    lock = supervisor.open_lock(folder / supervisor.SUPERVISOR)
    try:
        if not supervisor.take_lock(lock, fcntl.LOCK_EX):
            return False
        start_supervisor(folder, lock, prepare_server(folder, {}, url))
    finally:
        os.close(lock)
    return True
