"""Threads for what takes its time: files, FFmpeg, and statements of psycopg2."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psycopg2
from aiohttp import web

from server.api.errors import Refused
from server.errors import Fault
from server.library.ffmpeg.memory import (
    LEAST_BYTES,
    count_fitting,
    measure_budget,
    share_budget,
)
from server.library.ffmpeg.sandbox import Sandbox
from server.library.imports.importer import Importer, RepairPolicy
from server.postgres.locks import limited_lock_waits
from server.postgres.plain import Unreachable, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection

THREADS = 4
LOCK_SECONDS = 10.0  # that a job waits for each lock in the database
HEAVY_MAX = 2  # of them for checking, repairing and saving, so that the rest goes on

Given = ParamSpec("Given")
Made = TypeVar("Made")


class Jobs:
    """Runs jobs in threads; those that still run at the end are broken off."""

    def __init__(self, database_url: str, workers: int = 1) -> None:
        """Share memory with the jobs of other workers of this server."""
        self.database_url = database_url
        self._threads = ThreadPoolExecutor(THREADS, "admin")
        budget = measure_budget()
        heavy = count_fitting(budget, workers * LEAST_BYTES, HEAVY_MAX)
        self._heavy = asyncio.Semaphore(heavy)
        self._memory_bytes = share_budget(budget, workers * heavy)
        self._breaks: set[Callable[[], object]] = set()
        self._closed = False

    async def run(
        self, job: Callable[Given, Made], *given: Given.args, **named: Given.kwargs
    ) -> Made:
        """Return what a job returns; raise Refused if the database made it fail."""

        def limited() -> Made:
            with limited_lock_waits(LOCK_SECONDS):
                return job(*given, **named)

        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, limited)
        except Fault as fault:
            if isinstance(fault, Unreachable) or isinstance(
                fault.__cause__, psycopg2.Error
            ):
                raise Refused(503, str(fault), {"Retry-After": "1"}) from fault
            raise

    async def run_heavy(
        self, job: Callable[Given, Made], *given: Given.args, **named: Given.kwargs
    ) -> Made:
        """Do the same for a long job, of which at most HEAVY_MAX run at once."""
        async with self._heavy:
            try:
                return await self.run(job, *given, **named)
            except Exception as error:
                if self._closed:  # that broke it off, whatever it looks like
                    raise _build_stopping() from error
                raise

    @contextmanager
    def open_sandbox(self) -> Iterator[Sandbox]:
        """Yield a sandbox that does not outlive us.

        Refused if it was ended meanwhile: to a job that looks as if the file did it.
        """
        with self._open_sandbox() as sandbox:
            yield sandbox
            if self._closed:
                raise _build_stopping()

    @contextmanager
    def _open_sandbox(self) -> Iterator[Sandbox]:
        with (
            Sandbox(self._memory_bytes) as sandbox,
            self._broken_at_close(partial(_kill, sandbox)),
        ):
            yield sandbox

    @contextmanager
    def open_importer(self, policy: RepairPolicy) -> Iterator[Importer]:
        """Yield what importing a file needs."""
        with (
            closing(connect(self.database_url)) as connection,
            self._broken_at_close(partial(_hang_up, connection)),
            self._open_sandbox() as sandbox,  # what was saved by then is saved
        ):
            yield Importer(connection, sandbox, policy)

    @contextmanager
    def _broken_at_close(self, stop: Callable[[], object]) -> Iterator[None]:
        self._breaks.add(stop)
        try:
            if self._closed:
                raise _build_stopping()
            yield
        finally:
            self._breaks.discard(stop)

    def break_off(self) -> None:
        """End sandboxes and imports, so that their jobs fail; refuse new ones."""
        self._closed = True
        for stop in list(self._breaks):
            stop()

    def close(self) -> None:
        """Break off what runs, drop jobs that have not begun, wait for the threads."""
        self.break_off()
        self._threads.shutdown(cancel_futures=True)


JOBS: web.AppKey[Jobs] = web.AppKey("jobs")


@contextmanager
def silence_psycopg2() -> Iterator[None]:
    """Keep psycopg2 from printing tracebacks in threads when PostgreSQL goes away.

    Python itself calls this hook for the main thread alone.
    """
    before = sys.excepthook

    def tell(*error: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            before(*error)

    sys.excepthook = tell
    try:
        yield
    finally:
        sys.excepthook = before


def _build_stopping() -> Refused:
    return Refused(503, "The server is stopping: try again soon.", {"Retry-After": "5"})


def _kill(sandbox: Sandbox) -> None:
    """End its process; the job that waits for it learns of that."""
    if sandbox.process_id is not None:
        with suppress(ProcessLookupError):
            os.kill(sandbox.process_id, signal.SIGKILL)


def _hang_up(connection: Connection) -> None:
    """Break a connection that another thread uses: PostgreSQL then undoes what it did.

    Cancelling would end one statement, and the next would be sent.
    """
    with (
        suppress(OSError, psycopg2.InterfaceError),
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)
