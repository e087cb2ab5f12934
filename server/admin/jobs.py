"""Threads for what takes its time: files, FFmpeg, and statements of psycopg2."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psycopg2
from aiohttp import web

from server.api.errors import Refused
from server.api.troubles import SLOW, explain_trouble
from server.errors import Fault
from server.library.ffmpeg.memory import (
    LEAST_BYTES,
    count_fitting,
    measure_budget,
    share_budget,
)
from server.library.ffmpeg.sandbox import Sandbox
from server.library.imports.importer import Importer, RepairPolicy
from server.postgres.budget import find_budget
from server.postgres.lines import Lines
from server.postgres.locks import limited_lock_waits
from server.postgres.plain import Unreachable, connect, hearing_of_connections
from server.postgres.pool import DatabaseAway, StatementTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
LOCK_SECONDS = 10.0  # that a job waits for each lock in the database
LOCK_SHARE = 0.8  # of the time of a job, so that PostgreSQL says first what is wrong
HEAVY_MAX = 2  # of them for checking, repairing and saving, so that the rest goes on

Given = ParamSpec("Given")
Made = TypeVar("Made")


CUT_OFF = f"{SLOW} A change may have been made: look before you repeat it."
"""Said of a job that was cut off, maybe after PostgreSQL had committed."""


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
        """Return what a job returns; raise Refused if the database made it fail.

        It has as long as the answer may still wait for PostgreSQL; then its
        connections are broken, so that it gives its thread back.
        """
        budget = find_budget()
        seconds = budget.left if budget else None
        return await self._run(partial(job, *given, **named), seconds)

    async def _run(self, job: Callable[[], Made], seconds: float | None) -> Made:
        lines = Lines()
        longest = LOCK_SECONDS
        if seconds is not None:
            longest = min(longest, seconds * LOCK_SHARE)

        def limited() -> Made:
            with (
                closing(lines),
                self._broken_at_close(lines.cut),
                limited_lock_waits(longest),
                hearing_of_connections(lines.add),
            ):
                return job()

        working = asyncio.get_running_loop().run_in_executor(self._threads, limited)
        await asyncio.wait({working}, timeout=seconds)
        if not working.done():
            lines.cut()
            working.cancel()
            late = StatementTimeout(f"an admin job did not end in {seconds:g} s")
            raise Refused(503, CUT_OFF) from late
        try:
            return working.result()
        except Exception as error:
            if self._closed:  # that broke it off, whatever it looks like
                raise _build_stopping() from error
            judged = _judge(error)
            if judged is error:
                raise
            raise judged  # noqa: B904  # it has its cause

    async def run_heavy(
        self, job: Callable[Given, Made], *given: Given.args, **named: Given.kwargs
    ) -> Made:
        """Do the same for a long job, of which at most HEAVY_MAX run at once."""
        async with self._heavy:
            return await self._run(partial(job, *given, **named), None)

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
            self._broken_at_close(sandbox.kill),
        ):
            yield sandbox

    @contextmanager
    def open_importer(self, policy: RepairPolicy) -> Iterator[Importer]:
        """Yield what importing a file needs."""
        with (
            closing(connect(self.database_url)) as connection,
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


def _judge(error: Exception) -> Exception:
    """Return what to raise for the error of a job: Refused for one that passes."""
    trouble = error.__cause__ if isinstance(error, Fault) else None
    if isinstance(error, Unreachable):
        trouble = DatabaseAway(str(error))
    elif not isinstance(trouble, psycopg2.Error):
        return error
    sentence = explain_trouble(trouble)
    if sentence is None:  # our mistake
        return trouble
    refused = Refused(503, sentence)
    refused.__cause__ = trouble
    return refused
