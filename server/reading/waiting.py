"""Wait for a read within the budget of the answer; the read itself goes on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from server.postgres.budget import find_budget
from server.postgres.pool import StatementTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Read = TypeVar("Read")


async def wait_for(read: asyncio.Future[Read]) -> Read:
    """Return the result of a read.

    StatementTimeout when the budget is spent before. Others may wait for the read, and
    what it brings into memory is there for the next who asks.
    """
    if read.done():
        return read.result()
    loop = asyncio.get_running_loop()
    budget, began = find_budget(), loop.time()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = None if budget is None else loop.call_at(began + budget.left, wake)
    read.add_done_callback(wake)
    try:
        await waiter
    finally:
        read.remove_done_callback(wake)
        if budget is not None and timer is not None:
            timer.cancel()
            budget.left -= loop.time() - began
    if not read.done():
        raise StatementTimeout("The bytes did not come in time.")
    return read.result()


@asynccontextmanager
async def within_budget() -> AsyncIterator[None]:
    """Count what is awaited here; StatementTimeout when it takes too long."""
    loop = asyncio.get_running_loop()
    budget, began = find_budget(), loop.time()
    try:
        async with asyncio.timeout(None if budget is None else budget.left):
            yield
    except TimeoutError as error:
        raise StatementTimeout("Others that wait for it came first.") from error
    finally:
        if budget is not None:
            budget.left -= loop.time() - began
