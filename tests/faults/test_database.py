"""What we promise when PostgreSQL is away, slow, busy, or not as it was."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.faults.database import MAX_CONNECTIONS, ROLE
from tests.faults.promise import ONLY_RIGHT, Lab, Promise, keep, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMMEDIATE, FAST, KILL = signal.SIGQUIT, signal.SIGINT, signal.SIGKILL


@asynccontextmanager
async def stopped(lab: Lab, *, how: signal.Signals) -> AsyncIterator[None]:
    await asyncio.to_thread(lab.victim.stop, how)
    yield
    await asyncio.to_thread(lab.victim.start)


@asynccontextmanager
async def restarted_thrice(lab: Lab) -> AsyncIterator[None]:
    for _ in range(3):
        async with stopped(lab, how=FAST):
            pass
        await asyncio.sleep(0.2)
    yield


@asynccontextmanager
async def backend_killed(lab: Lab) -> AsyncIterator[None]:
    backend = await asyncio.to_thread(lab.victim.find_backend)
    os.kill(backend, KILL)  # the postmaster then ends all, and recovers
    yield


@asynccontextmanager
async def sessions_ended(lab: Lab) -> AsyncIterator[None]:
    for _ in range(3):
        await asyncio.to_thread(lab.victim.disconnect)
        await asyncio.sleep(0.1)
    yield


@asynccontextmanager
async def paused(lab: Lab) -> AsyncIterator[None]:
    lab.victim.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        lab.victim.signal_all(signal.SIGCONT)


@asynccontextmanager
async def locked(lab: Lab) -> AsyncIterator[None]:
    with closing(lab.victim.connect("postgres")) as session:
        lock = "LOCK TABLE videos IN ACCESS EXCLUSIVE MODE"
        await asyncio.to_thread(session.cursor().execute, lock)
        yield


@asynccontextmanager
async def changed(
    lab: Lab, *, by: str, back: str, reconnects: bool = False
) -> AsyncIterator[None]:
    """Change the database by a statement, and take that back by another."""
    await asyncio.to_thread(lab.victim.ask, by)
    if reconnects:
        await asyncio.to_thread(lab.victim.disconnect)
    try:
        yield
    finally:
        await asyncio.to_thread(lab.victim.ask, back)
        if reconnects:
            await asyncio.to_thread(lab.victim.disconnect)


@asynccontextmanager
async def crowded_out(lab: Lab) -> AsyncIterator[None]:
    """Take every session that is not reserved, and those of the server first."""

    def take_all(stack: ExitStack) -> None:
        for _ in range(2):
            lab.victim.disconnect()
            for _ in range(MAX_CONNECTIONS):
                try:
                    stack.enter_context(closing(lab.victim.connect(ROLE)))
                except psycopg2.OperationalError:
                    break

    with ExitStack() as stack:
        await asyncio.to_thread(take_all, stack)
        yield


@asynccontextmanager
async def slowed(lab: Lab, *, delay: float = 0.0, rate: int = 0) -> AsyncIterator[None]:
    lab.link.delay, lab.link.rate = delay, rate
    yield
    lab.link.mend()


@asynccontextmanager
async def stalled(lab: Lab) -> AsyncIterator[None]:
    lab.link.stall()
    yield
    lab.link.mend()


@asynccontextmanager
async def refused(lab: Lab) -> AsyncIterator[None]:
    await lab.link.refuse()
    yield
    await lab.link.listen(lab.link.own_port)


@asynccontextmanager
async def cut(lab: Lab, *, orderly: bool, mid_row: bool = False) -> AsyncIterator[None]:
    """Cut all connections thrice, at once or in the middle of what is sent next."""
    end = lab.link.hang_up if orderly else lab.link.cut
    for _ in range(3):
        if mid_row:
            lab.link.after_limit = end
            lab.link.limit = 100_000
        else:
            end()
        await asyncio.sleep(0.2)
    yield


OUTAGES = [
    Promise("stopped at once", partial(stopped, how=IMMEDIATE), 0.5),
    Promise("stopped fast", partial(stopped, how=FAST), 0.5),
    Promise("postmaster killed", partial(stopped, how=KILL), 0.5),
    Promise("away for long", partial(stopped, how=FAST), 20, is_long=True),
    Promise("restarted thrice", restarted_thrice, 0, is_long=True),
    Promise("backend killed", backend_killed, 0),
    Promise("sessions ended", sessions_ended, 0),
    Promise("connections refused", refused, 0.5),
    Promise("connections reset", partial(cut, orderly=False), 0),
    Promise("connections closed", partial(cut, orderly=True), 0),
    Promise("reset in a row", partial(cut, orderly=False, mid_row=True), 0),
    Promise("closed in a row", partial(cut, orderly=True, mid_row=True), 0),
]
"""It breaks off, or is away."""

STALLS = [
    Promise("stalled shortly", paused, 1, ONLY_RIGHT),
    Promise("locked shortly", locked, 1, ONLY_RIGHT),
    Promise("stalled 5 s", paused, 5, is_long=True),
    Promise("stalled 30 s", paused, 30, is_long=True),
    Promise("locked 5 s", locked, 5, is_long=True),
    Promise("locked 30 s", locked, 30, is_long=True),
    Promise("locked 60 s", locked, 60, is_long=True),
    Promise("black hole 5 s", stalled, 5, is_long=True),
    Promise("black hole 30 s", stalled, 30, well_within=10, is_long=True),
    Promise("slow answers", partial(slowed, delay=0.2), 1, ONLY_RIGHT),
    Promise("2 s a round trip", partial(slowed, delay=1.0), 30, is_long=True),
    Promise("10 kB/s", partial(slowed, rate=10_000), 30, well_within=30, is_long=True),
]
"""It is there, and does not answer, or not soon."""

CHANGES = [
    Promise(
        "table renamed",
        partial(
            changed,
            by="ALTER TABLE videos RENAME TO aside",
            back="ALTER TABLE aside RENAME TO videos",
        ),
        0.5,
    ),
    Promise(
        "table dropped",
        partial(
            changed,
            by="CREATE TABLE aside (LIKE videos INCLUDING ALL);"
            " INSERT INTO aside SELECT * FROM videos; DROP TABLE videos CASCADE",
            back="ALTER TABLE aside RENAME TO videos;"
            f" GRANT SELECT ON videos TO {ROLE}",
        ),
        0.5,
    ),
    Promise(
        "rights revoked",
        partial(
            changed,
            by=f"REVOKE SELECT ON videos FROM {ROLE}",
            back=f"GRANT SELECT ON videos TO {ROLE}",
        ),
        0.5,
    ),
    Promise(
        "login revoked",
        partial(
            changed,
            by=f"ALTER ROLE {ROLE} NOLOGIN",
            back=f"ALTER ROLE {ROLE} LOGIN",
            reconnects=True,
        ),
        0.5,
    ),
    Promise(
        "read only",
        partial(
            changed,
            by="ALTER DATABASE postgres SET default_transaction_read_only = on",
            back="SET transaction_read_only = off;"
            " ALTER DATABASE postgres RESET default_transaction_read_only",
            reconnects=True,
        ),
        0.5,
    ),
    Promise(
        "statement_timeout of 1 ms",
        partial(
            changed,
            by=f"ALTER ROLE {ROLE} SET statement_timeout = 1",
            back=f"ALTER ROLE {ROLE} RESET statement_timeout",
            reconnects=True,
        ),
        0.5,
    ),
    Promise("no session free", crowded_out, 0.5),
]
"""It answers, but not with videos, or not to us."""


@pytest.mark.parametrize("promise", rows(OUTAGES))
async def test_outage(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)


@pytest.mark.parametrize("promise", rows(STALLS))
async def test_stall(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)


@pytest.mark.parametrize("promise", rows(CHANGES))
async def test_change(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)
