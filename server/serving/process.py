"""A process that serves: from its start to SIGTERM, and its end in time."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

from server.reading.store import STORE
from server.serving.listen import answering
from server.serving.listening import HALF_OPEN_SECONDS
from server.serving.malloc import tuned_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from server.serving.listening import Listening

SHUTDOWN_SECONDS = 10  # from SIGTERM to the end of the process, at most
EXIT_SECONDS = 8.8  # of them; then threads that go on are left behind
LAST_SECONDS = 0.2
NO_RELOAD = "SIGHUP replaces nothing with one worker: restart, or use --workers 2"

_log = logging.getLogger(__name__)


async def serve(
    app: web.Application,
    listening: Listening,
    ready: Callable[[], None],
    leaving: Callable[[], None] = lambda: None,
    *,
    alone: bool = True,
) -> float:
    """Answer on the sockets until SIGINT or SIGTERM; return when that came.

    Call ready once all is answered, and leaving when it is told to end.

    A process that is not alone has a parent, which looks after Ctrl-C, SIGHUP and
    clients that are half-way in.
    """
    allow_connections()
    stop = asyncio.Event()
    _heed_signals(stop, alone=alone)
    async with (
        answering(app, *listening.sockets) as draining,
        tuned_memory(app[STORE]),
    ):
        ready()
        await stop.wait()
        told = monotonic()
        draining.begin()
        leaving()
        if alone:
            listening.stop()
            await asyncio.sleep(HALF_OPEN_SECONDS)
    return told


def _heed_signals(stop: asyncio.Event, *, alone: bool) -> None:
    """Have the first SIGINT or SIGTERM set stop, and the second end the process.

    A process that is not alone is ended by its parent. A second SIGTERM means nothing
    to it: systemd tells all processes to stop, and so does the parent.
    """
    loop = asyncio.get_running_loop()
    then = signal.SIG_DFL if alone else signal.SIG_IGN
    numbers = (signal.SIGINT, signal.SIGTERM) if alone else (signal.SIGTERM,)
    seconds = EXIT_SECONDS if alone else EXIT_SECONDS - HALF_OPEN_SECONDS  # its wait

    def begin() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, then)
        timer = threading.Timer(seconds, _leave)
        timer.daemon = True
        timer.start()
        stop.set()

    for number in numbers:
        loop.add_signal_handler(number, begin)
    if alone:
        loop.add_signal_handler(signal.SIGHUP, _log.warning, NO_RELOAD)


def _leave() -> None:
    """End the process, whatever its threads are doing."""
    _log.warning("something still runs after %g s: ended all the same", EXIT_SECONDS)
    sleep(LAST_SECONDS)  # for the line to be written
    os._exit(0)


def allow_connections() -> None:
    """Raise the limit of open files, beyond which clients would be refused."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems have another limit besides
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
