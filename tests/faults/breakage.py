"""How PostgreSQL, and the way to it, are broken and mended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING

import psycopg2

from tests.faults.database import MAX_CONNECTIONS, ROLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.promise import Backend

IMMEDIATE, FAST, KILL = signal.SIGQUIT, signal.SIGINT, signal.SIGKILL


@asynccontextmanager
async def stopped(backend: Backend, *, how: signal.Signals) -> AsyncIterator[None]:
    await asyncio.to_thread(backend.victim.stop, how)
    yield
    await asyncio.to_thread(backend.victim.start)


@asynccontextmanager
async def restarted_thrice(backend: Backend) -> AsyncIterator[None]:
    for _ in range(3):
        async with stopped(backend, how=FAST):
            pass
        await asyncio.sleep(0.2)
    yield


@asynccontextmanager
async def backend_killed(backend: Backend) -> AsyncIterator[None]:
    pid = await asyncio.to_thread(backend.victim.find_backend)
    os.kill(pid, KILL)  # the postmaster then ends all, and recovers
    yield


@asynccontextmanager
async def sessions_ended(backend: Backend) -> AsyncIterator[None]:
    for _ in range(3):
        await asyncio.to_thread(backend.victim.disconnect)
        await asyncio.sleep(0.1)
    yield


@asynccontextmanager
async def paused(backend: Backend) -> AsyncIterator[None]:
    backend.victim.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        backend.victim.signal_all(signal.SIGCONT)


@asynccontextmanager
async def locked(backend: Backend) -> AsyncIterator[None]:
    with closing(backend.victim.connect("postgres")) as session:
        lock = "LOCK TABLE videos IN ACCESS EXCLUSIVE MODE"
        await asyncio.to_thread(session.cursor().execute, lock)
        yield


@asynccontextmanager
async def changed(
    backend: Backend, *, by: str, back: str, reconnects: bool = False
) -> AsyncIterator[None]:
    """Change the database by a statement, and take that back by another."""
    await asyncio.to_thread(backend.victim.ask, by)
    if reconnects:
        await asyncio.to_thread(backend.victim.disconnect)
    try:
        yield
    finally:
        await asyncio.to_thread(backend.victim.ask, back)
        if reconnects:
            await asyncio.to_thread(backend.victim.disconnect)


@asynccontextmanager
async def crowded_out(backend: Backend) -> AsyncIterator[None]:
    """Take every session that is not reserved, and those of the server first."""

    def take_all(stack: ExitStack) -> None:
        for _ in range(2):
            backend.victim.disconnect()
            for _ in range(MAX_CONNECTIONS):
                try:
                    stack.enter_context(closing(backend.victim.connect(ROLE)))
                except psycopg2.OperationalError:
                    break

    with ExitStack() as stack:
        await asyncio.to_thread(take_all, stack)
        yield


@asynccontextmanager
async def slowed(
    backend: Backend, *, delay: float = 0.0, rate: int = 0
) -> AsyncIterator[None]:
    backend.link.delay, backend.link.rate = delay, rate
    yield
    backend.link.mend()


@asynccontextmanager
async def stalled(backend: Backend) -> AsyncIterator[None]:
    backend.link.stall()
    yield
    backend.link.mend()


@asynccontextmanager
async def refused(backend: Backend) -> AsyncIterator[None]:
    await backend.link.refuse()
    yield
    await backend.link.listen(backend.link.own_port)


@asynccontextmanager
async def cut(
    backend: Backend, *, orderly: bool, mid_row: bool = False
) -> AsyncIterator[None]:
    """Cut all connections thrice, at once or in the middle of what is sent next."""
    end = backend.link.hang_up if orderly else backend.link.cut
    for _ in range(3):
        if mid_row:
            backend.link.after_limit = end
            backend.link.limit = 100_000
        else:
            end()
        await asyncio.sleep(0.2)
    yield
