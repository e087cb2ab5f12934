"""A connection that libpq gives up by itself, as it does for lack of memory too."""

from __future__ import annotations

import asyncio
import gc

import psycopg2
import pytest

from server.postgres.address import Address
from server.postgres.pool import Counts, DatabaseAway
from server.postgres.session import Limits
from tests.breakable import breakable
from tests.postgres.test_pool import BOTH, ROWS, opened, start
from tests.waiting import until

# A message that libpq takes for impossibly long: fe-protocol3.c, handleSyncLoss.
GARBAGE = b"Z\x7f\xff\xff\xff"


@BOTH
async def test_connection_given_up_while_idle_is_replaced(
    database_url: str, method: str
) -> None:
    async with breakable(database_url) as proxy, opened(proxy.url) as database:
        await getattr(database, method)(ROWS, {})
        proxy.say(GARBAGE)
        await until(lambda: database.counts == Counts(open=0, in_use=0, waiting=0))
        assert len(await getattr(database, method)(ROWS, {})) == 3
        assert proxy.accepted == 2


@BOTH
async def test_connection_given_up_while_reading_is_replaced(
    database_url: str, method: str
) -> None:
    async with breakable(database_url) as proxy, opened(proxy.url) as database:
        await getattr(database, method)(ROWS, {})
        for _ in range(3):
            proxy.stall()
            task = start(database, ROWS, method)
            await until(lambda: database.counts.in_use)
            proxy.say(GARBAGE)
            proxy.resume()
            try:
                async with asyncio.timeout(10):
                    rows = await task
            except DatabaseAway:
                continue
            assert len(rows) == 3
        assert len(await getattr(database, method)(ROWS, {})) == 3


async def test_session_that_is_closed_leaves_no_error_behind(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = await Address(database_url, 5.0).open(lambda: None)
    session.close()
    with pytest.raises(psycopg2.Error):
        await session.read_binary(ROWS, {}, Limits(5))
    gc.collect()
    assert "never retrieved" not in caplog.text
