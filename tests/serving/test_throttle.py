"""Addresses with many refusals: who waits, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.serving import throttle
from server.serving.clients import LIMITS
from server.serving.throttle import BURST_SECONDS, LONGEST_SECONDS, RATE, Throttle
from tests.conftest import serve_database
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Served

NOW = 1000.0
BURST = round(RATE * BURST_SECONDS)


def test_a_burst_waits_for_nothing_and_more_come_at_the_rate() -> None:
    throttled = Throttle()
    assert [throttled.delay("a", NOW) for _ in range(BURST)] == pytest.approx(
        [0] * BURST, abs=1e-6
    )
    assert throttled.delay("a", NOW) == pytest.approx(1 / RATE)
    assert throttled.delay("a", NOW) == pytest.approx(2 / RATE)
    assert throttled.delay("b", NOW) == 0
    assert throttled.delay("a", NOW + 2 / RATE) == pytest.approx(1 / RATE)
    assert throttled.delay("a", NOW + 60) == 0


def test_nobody_waits_longer_than_the_longest() -> None:
    throttled = Throttle()
    delays = [throttled.delay("a", NOW) for _ in range(10 * BURST)]
    assert delays == sorted(delays)
    assert delays[-1] == pytest.approx(LONGEST_SECONDS)
    assert throttled.delay("a", NOW + LONGEST_SECONDS + BURST_SECONDS) == 0


def test_addresses_are_forgotten_once_they_would_not_wait() -> None:
    throttled = Throttle()
    for _ in range(2 * BURST):
        throttled.delay("a", NOW)
    throttled.delay("b", NOW)
    throttled.forget(NOW + BURST_SECONDS)
    assert len(throttled) == 1
    assert throttled.delay("a", NOW) > BURST_SECONDS
    throttled.forget(NOW + LONGEST_SECONDS + BURST_SECONDS)
    assert len(throttled) == 0


@pytest.fixture
async def late(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """Yield a server that delays every refusal, and is busy."""
    monkeypatch.setattr(throttle, "RATE", 0.1)
    limits = LIMITS._replace(requests=0)
    async with serve_database(
        database_url, cache_bytes=1_000_000, limits=limits
    ) as served:
        yield served


async def count_delayed(served: Served) -> float:
    async with connect(served.port) as wire:
        _, metrics = await wire.get("/metrics")
    (line,) = (
        line
        for line in metrics.decode().splitlines()
        if line.startswith("bytereel_refusals_delayed_total")
    )
    return float(line.split()[1])


@pytest.mark.long
async def test_delayed_refusal_comes_whole_and_holds_nobody_up(late: Served) -> None:
    async with connect(late.port) as bad:
        await bad.send(b"nonsense\r\n" + bytes(1000))
        assert await count_delayed(late) == 1
        head = await bad.head()
        assert (head.status, head.headers["connection"]) == (400, "close")
        assert b"error" in await bad.read(head.length)
        assert await bad.rest() == b""


@pytest.mark.long
async def test_client_may_leave_before_its_refusal(
    late: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(late.port) as bad:
        await bad.send(b"nonsense\r\n")
        assert await count_delayed(late) == 1
    async with connect(late.port) as other:
        await other.send(b"nonsense\r\n")
        await other.rest()  # which comes later than what the first one left behind
    assert "Traceback" not in caplog.text


async def test_server_that_is_busy_says_so_at_once(late: Served) -> None:
    async with connect(late.port) as wire:
        assert (await wire.get("/"))[0].status == 503
    assert await count_delayed(late) == 0
