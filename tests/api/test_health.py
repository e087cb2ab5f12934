"""Readiness says why not, does not wait long for it, and comes back."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.api import health
from tests.conftest import execute
from tests.reading.test_waiting import HANG_SECONDS, serving
from tests.wire import connect

if TYPE_CHECKING:
    from tests.wire import Wire


async def ask(wire: Wire) -> tuple[int, str]:
    async with asyncio.timeout(HANG_SECONDS):
        head, body = await wire.get("/readyz")
    return head.status, json.loads(body).get("error", "")


async def expect_ready(wire: Wire) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while (await ask(wire))[0] != 200:  # noqa: ASYNC110  # as a probe would
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_locked_database_is_not_ready_until_it_is_free(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    async with (
        serving(database_url, answer_seconds=6) as (port, _),
        connect(port) as wire,
    ):
        assert await ask(wire) == (200, "")
        with closing(psycopg2.connect(database_url)) as other:
            other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
            for _ in range(3):
                status, reason = await ask(wire)
                assert (status, "didn't answer in time" in reason) == (503, True)
        await expect_ready(wire)


async def test_readiness_tells_the_reason_and_the_end_of_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    execute(database_url, "ALTER TABLE videos RENAME TO gone")
    async with serving(database_url) as (port, _), connect(port) as wire:
        status, reason = await ask(wire)
        assert (status, "bytereel migrate" in reason) == (503, True)
        execute(database_url, "ALTER TABLE gone RENAME TO videos")
        await expect_ready(wire)


async def test_all_who_ask_at_once_learn_the_same(database_url: str) -> None:
    async with serving(database_url) as (port, _):

        async def once() -> tuple[int, str]:
            async with connect(port) as wire:
                return await ask(wire)

        assert set(await asyncio.gather(*(once() for _ in range(10)))) == {(200, "")}
