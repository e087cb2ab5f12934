"""Waiting for what happens soon; only a hang takes so long that a test fails."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HANG_SECONDS = 60.0
PAUSE_SECONDS = 0.01


def wait_until(true: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    """Return when it is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "this should have happened by now"
        time.sleep(PAUSE_SECONDS)


async def until(true: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    """Return when it is true, letting others run meanwhile; TimeoutError after that."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # what it watches knows no events
            await asyncio.sleep(PAUSE_SECONDS)
