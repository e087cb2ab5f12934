"""The budget that all waits of one answer share."""

from __future__ import annotations

import asyncio
from contextvars import Context

import pytest

from server.postgres.budget import (
    begin_budget,
    find_budget,
    lower_budget,
    renew_budget,
)
from server.postgres.pool import StatementTimeout
from tests.postgres.test_pool import opened


async def spend(url: str, *seconds: float) -> list[str]:
    """Return what became of statements that take so long, one after the other."""
    begin_budget(1.0)
    became = []
    async with opened(url) as database:
        for each in seconds:
            try:
                await database.fetch(f"SELECT pg_sleep({each})", {})
                became.append("done")
            except StatementTimeout:
                became.append("timeout")
    return became


@pytest.mark.long
async def test_statements_of_an_answer_share_its_budget(database_url: str) -> None:
    assert await spend(database_url, 0.1, 0.1) == ["done", "done"]
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcome = await spend(database_url, 0.6, 20, 0)
    assert outcome == ["done", "timeout", "timeout"]
    assert loop.time() - began < 10


def test_budget_is_lowered_and_renewed() -> None:
    Context().run(change_budget)


def change_budget() -> None:
    assert find_budget() is None
    lower_budget(1.0)
    renew_budget()
    begin_budget(10.0, used=4.0)
    budget = find_budget()
    assert budget is not None
    assert budget.left == 6.0
    lower_budget(8.0)
    assert budget.left == 6.0
    lower_budget(2.0)
    assert budget.left == 2.0
    renew_budget()
    assert budget.left == 10.0
