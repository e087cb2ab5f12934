"""What we promise when PostgreSQL is in no state to be used while we start."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.breakage import (
    FAST,
    changed,
    locked,
    paused,
    refused,
    slowed,
    stalled,
    stopped,
)
from tests.faults.conftest import url_of
from tests.faults.database import ROLE
from tests.faults.process import running
from tests.faults.promise import NOT_NOW, ONLY_RIGHT, asking_health, cases, judging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.promise import Backend, Fault

pytestmark = pytest.mark.long

ALIVE_SECONDS = 30.0  # from the start, with Python's own on a busy machine
READY_SECONDS = 15.0  # from the end of the fault
SLOW_SECONDS = 90.0  # until videos are served over a bad line

FAULTS: dict[str, Fault] = {
    "stopped": partial(stopped, how=FAST),
    "refused": refused,
    "stalled": paused,
    "locked": locked,
    "black hole": stalled,
    "login revoked": partial(
        changed,
        by=f"ALTER ROLE {ROLE} NOLOGIN",
        back=f"ALTER ROLE {ROLE} LOGIN",
    ),
}


SLOW: dict[str, Fault] = {
    "2 s a round trip": partial(slowed, delay=1.0),
    "10 kB/s": partial(slowed, rate=10_000),
}


@pytest.mark.parametrize("fault", cases(FAULTS, FAULTS.keys() - {"locked"}))
async def test_start_without_database(
    fault: Fault, backend: Backend, folder: Path
) -> None:
    """Answer at once, say why not yet, and serve as soon as that can be."""
    url, videos = url_of(backend.link.own_port), backend.victim.videos
    with ExitStack() as stack:
        async with fault(backend):
            process = stack.enter_context(running(url, folder, videos=videos))
            await process.wait_until_alive(ALIVE_SECONDS)
            head, body = await process.get("/readyz")
            assert head.status == 503
            assert json.loads(body)["error"]
        await process.wait_until_ready(READY_SECONDS)
        async with judging(process, ONLY_RIGHT), asking_health(process):
            pass
        assert "Traceback" not in process.read_log()


async def test_start_with_short_timeout(backend: Backend, folder: Path) -> None:
    """Serve also where the role's statement_timeout is 1 ms, since ours counts."""
    short = partial(
        changed,
        by=f"ALTER ROLE {ROLE} SET statement_timeout = 1",
        back=f"ALTER ROLE {ROLE} RESET statement_timeout",
    )
    url, videos = url_of(backend.link.own_port), backend.victim.videos
    async with short(backend):
        with running(url, folder, videos=videos) as process:
            await process.wait_until_ready(READY_SECONDS)
            async with judging(process, ONLY_RIGHT):
                pass


@pytest.mark.parametrize("fault", cases(SLOW, ()))
async def test_start_over_a_bad_line(
    fault: Fault, backend: Backend, folder: Path
) -> None:
    """Serve what is asked for over a line that is slow and goes on."""
    url, videos = url_of(backend.link.own_port), backend.victim.videos
    async with fault(backend):
        with running(url, folder, videos=videos) as process:
            await process.wait_until_alive(ALIVE_SECONDS)
            await process.wait_until_ready(SLOW_SECONDS)
            async with judging(process, NOT_NOW, first_within=SLOW_SECONDS) as load:
                await load.wait_for(5, SLOW_SECONDS)
