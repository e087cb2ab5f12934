"""What we promise the others while some clients mean harm, or are slow, or stall."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.command import ROOT
from tests.faults.conftest import SERVE
from tests.faults.hostile import Held, list_attacks
from tests.faults.link import linked
from tests.faults.load import Outcome, find_p99
from tests.faults.promise import ONLY_RIGHT, asking_health, judging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.process import Process, Serve

# Two attacks at once would slow the others down more than one may.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("attacks")]

MEMORY_BYTES = 64_000_000  # more than before, at the most
STALLED_BYTES = 160_000_000  # a thousand who stall hold a chunk each, and buffers
SLOWER, SECONDS = 2, 0.5  # p99 of the others: twice the quiet one; the rest is noise
KINDS = list_attacks(1)
FEW = ["zeros", "gzip bomb"]
MANY = [kind for kind, attack in KINDS.items() if not isinstance(attack, Held)]


@pytest_asyncio.fixture
async def attacked(serve: Serve) -> AsyncIterator[Process]:
    """Yield a server that no other fault has met before."""
    with serve(*SERVE) as process:
        await process.wait_until_ready()
        yield process


@contextmanager
def attacking(process: Process, *kinds: str) -> Iterator[None]:
    video = str(max(process.videos))  # the largest
    command = [sys.executable, "-m", "tests.faults.hostile"]
    with subprocess.Popen(
        [*command, str(process.port), video, *kinds], cwd=ROOT, stdout=subprocess.PIPE
    ) as attacker:
        try:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == b"attacking\n"
            yield
            assert attacker.poll() is None
        finally:
            attacker.kill()


async def keep_others(
    process: Process, *kinds: str, lasts: float, memory: int = MEMORY_BYTES
) -> None:
    """Attack, and fail unless the others are answered rightly, in bounded memory."""
    async with judging(process, ONLY_RIGHT) as load, asking_health(process):
        await load.wait_for(200)
        quiet = find_p99(load.answers)
        process.forget_peak()
        before = process.read_peak()
        began = monotonic()
        with attacking(process, *kinds):
            await asyncio.sleep(lasts)
        attacked = find_p99(load.since(began))
        grown = process.read_peak() - before
        await load.measure_recovery(monotonic(), 10.0)
    assert grown <= memory
    assert attacked <= SLOWER * quiet + SECONDS


async def test_few_attacks_together(attacked: Process) -> None:
    await keep_others(attacked, *FEW, lasts=2)


async def test_all_attacks_together(attacked: Process) -> None:
    await keep_others(attacked, *MANY, lasts=10)


@pytest.mark.parametrize("kind", KINDS)
async def test_attack(kind: str, attacked: Process) -> None:
    memory = STALLED_BYTES if isinstance(KINDS[kind], Held) else MEMORY_BYTES
    await keep_others(attacked, kind, lasts=5, memory=memory)


async def test_slow_client_is_served(attacked: Process) -> None:
    async with linked("127.0.0.1", attacked.port) as network:
        network.delay, network.rate = 0.05, 1_000_000
        async with judging(attacked, ONLY_RIGHT, port=network.own_port) as load:
            await load.wait_for(20)


async def test_client_that_is_cut_off_costs_nothing(attacked: Process) -> None:
    async with linked("127.0.0.1", attacked.port) as network:
        cut_off = frozenset({Outcome.CUT, Outcome.CLOSED})
        async with judging(attacked, cut_off, port=network.own_port) as load:
            for _ in range(10):
                network.after_limit = network.cut
                network.limit = 200_000
                await load.wait_for(5)
            await load.measure_recovery(monotonic(), 5.0)
