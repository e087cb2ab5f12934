"""A promise about a fault, and what shows that it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.load import Outcome, count_outcomes, loading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Mapping, Sequence

    from _pytest.mark.structures import ParameterSet

    from tests.faults.database import Victim
    from tests.faults.link import Link
    from tests.faults.load import Load
    from tests.faults.process import Process

NOT_NOW = frozenset({Outcome.REFUSED, Outcome.CUT})
"""What the database's faults may do: no answer now, or none any more."""
ONLY_RIGHT: frozenset[Outcome] = frozenset()

HEALTH_SECONDS = 15.0  # /healthz answers at once; machines that test are busy
LINES_MAX = 30  # of the log, for a fault: not one for each request


class Backend(NamedTuple):
    """What is behind a server, to be broken."""

    victim: Victim
    link: Link  # between the two


class Lab(NamedTuple):
    """A server, and what is behind it."""

    process: Process
    backend: Backend


Fault = Callable[[Backend], AbstractAsyncContextManager[None]]
"""Begins a fault, and ends it."""


class Promise(NamedTuple):
    """A row of the table: during the fault each answer is right, or one of allowed."""

    name: str
    fault: Fault
    lasts: float  # seconds
    allowed: frozenset[Outcome] = NOT_NOW
    well_within: float = 5.0  # seconds after its end, until all is right again
    is_long: bool = False


def rows(promises: Sequence[Promise]) -> list[ParameterSet]:
    """Return the rows for parametrize."""
    long = {each.name for each in promises if each.is_long}
    return cases({each.name: each for each in promises}, long)


def cases(named: Mapping[str, object], long: Container[str]) -> list[ParameterSet]:
    """Return cases for parametrize by their names, some of which take long."""
    return [
        pytest.param(each, id=name, marks=[pytest.mark.long] if name in long else [])
        for name, each in named.items()
    ]


async def keep(promise: Promise, lab: Lab) -> None:
    """Break, mend, and fail unless the promise was kept."""
    logged = lab.process.logged
    async with (
        judging(lab.process, promise.allowed) as load,
        asking_health(lab.process),
    ):
        async with promise.fault(lab.backend):
            await asyncio.sleep(promise.lasts)
        await load.measure_recovery(monotonic(), promise.well_within)
    lines = lab.process.read_log(logged).splitlines()
    assert len(lines) <= LINES_MAX, lines


@asynccontextmanager
async def judging(
    process: Process,
    allowed: frozenset[Outcome],
    *,
    port: int = 0,
    clients: int = 6,
    first_within: float = 30.0,
) -> AsyncIterator[Load]:
    """Yield a load; at its end fail for an answer that is neither right nor allowed.

    Nor may there be a traceback in the log. The load may go through another port.
    """
    logged = process.logged
    clients_of = partial(loading, port or process.port, process.videos)
    async with clients_of(clients=clients, first_within=first_within) as load:
        yield load
    bad = [
        answer
        for answer in load.answers
        if answer.outcome not in allowed | {Outcome.RIGHT}
    ]
    assert not bad, (count_outcomes(load.answers), bad[:5], process.read_log(logged))
    assert "Traceback" not in process.read_log(logged), process.read_log(logged)


@asynccontextmanager
async def asking_health(process: Process) -> AsyncIterator[None]:
    """Fail unless /healthz answers at once, all the time."""

    async def ask() -> None:
        while True:
            head, _ = await process.get("/healthz", HEALTH_SECONDS)
            assert head.status == 200
            await asyncio.sleep(0.2)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), repr(result)
