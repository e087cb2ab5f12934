"""Do the workers' event loops turn? Counters in shared memory tell their parent.

The parent counts its own turns, not seconds: nobody is taken for hanging because the
machine, or the parent, stood still.
"""

from __future__ import annotations

import asyncio
import mmap
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BEAT_SECONDS = 0.5  # how often a loop says that it turns
TURN_SECONDS = 1.0  # how often the parent looks
HANG_SECONDS = 10  # a loop that has not turned for so long hangs
START_SECONDS = 60  # a worker may take this long until its loop says so at first
_NUMBER = 8  # bytes


class Heartbeat:
    """A counter for each of several processes, forked after it was made."""

    def __init__(self, cells: int) -> None:
        memory = mmap.mmap(-1, cells * _NUMBER)
        self._beats = memoryview(memory).cast("q")
        self._seen: dict[int, tuple[int, int]] = {}  # count, and for how many turns
        self._turned = time.monotonic()

    def assign(self, used: Iterable[int]) -> int:
        """Return a cell that is none of those, for a process to be forked."""
        cell = min(set(range(len(self._beats))).difference(used))
        self._beats[cell] = 0
        self._seen[cell] = (0, 0)
        return cell

    def start(self, cell: int) -> None:
        """Count in a cell for as long as the running event loop turns, if one does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return

        def beat() -> None:
            self._beats[cell] += 1
            loop.call_later(BEAT_SECONDS, beat)

        beat()

    def list_hanging(self, cells: Iterable[int]) -> list[int]:
        """Return those of the cells whose processes hang; the parent calls it often."""
        now = time.monotonic()
        if now - self._turned < TURN_SECONDS:
            return []
        self._turned = now
        hanging = []
        for cell in cells:
            count, turns = self._seen[cell]
            turns = turns + 1 if count == self._beats[cell] else 0
            count = self._beats[cell]
            self._seen[cell] = count, turns
            if turns * TURN_SECONDS >= (HANG_SECONDS if count else START_SECONDS):
                hanging.append(cell)
        return hanging
