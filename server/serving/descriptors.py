"""Tell when the process runs out of descriptors, which accepting does not.

libuv then accepts and closes whatever connects (uv__emfile_trick), without a word, and
goes on as before once descriptors are free.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

LOOK_SECONDS = 0.25
QUIET_SECONDS = 5.0  # until it counts as over

_log = logging.getLogger(__name__)


class Shortage:
    """Whether descriptors are short, told at its beginning and at its end."""

    def __init__(self) -> None:
        self._began = 0.0  # by monotonic; zero while there are enough
        self._last = 0.0

    def look(self) -> None:
        """Try to open a file, and tell what has changed."""
        now = monotonic()
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._note(now, error)
        else:
            if self._began and now - self._last > QUIET_SECONDS:
                _log.warning(
                    "there are file descriptors again, after %.0f s",
                    self._last - self._began,
                )
                self._began = 0.0

    def _note(self, now: float, error: OSError) -> None:
        if not self._began:
            self._began = now
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            _log.warning(
                "out of file descriptors (%s, the limit is %d): new connections are "
                "closed until others end; raise the limit (ulimit -n, LimitNOFILE)",
                *(error.strerror, limit),
            )
        self._last = now


async def watch_descriptors(_: web.Application) -> AsyncIterator[None]:
    """Look every now and then while the application runs."""
    task = asyncio.create_task(_watch())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _watch() -> None:
    shortage = Shortage()
    while True:
        with suppress(MemoryError):
            await asyncio.sleep(LOOK_SECONDS)
            shortage.look()
