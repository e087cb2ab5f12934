"""What happens to freed memory; this works with glibc only."""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.reading.store import Store

FREED_BYTES = 16 << 20  # free memory that the process keeps at the end of its heap
BURST_BYTES = 24 << 20  # by which the process grew, then it gives back what is free
LOOKS, LOOKS_APART = 120, 10  # times TRIM_SECONDS: for a minute, each five seconds
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TRIM_SECONDS = 0.5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


class Burst:
    """Memory that grew for a while, and is free a while later."""

    def __init__(self, resident: int) -> None:
        self._settled = self._last = resident  # bytes
        self._looks = 0  # that are still taken after a burst

    def has_left(self, resident: int) -> bool:
        """Report whether a burst may have left free memory; to be asked regularly."""
        last, self._last = self._last, resident
        if resident - self._settled > BURST_BYTES and resident <= last:
            self._looks = LOOKS
            return True
        self._looks = max(self._looks - 1, 0)
        return self._looks % LOOKS_APART == 1

    def settle(self, resident: int) -> None:
        """Take what is left as what is needed."""
        self._settled = resident


def measure_resident() -> int:
    """Return the bytes of the process that are in memory; 0 where that isn't told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # proc(5)
            return int(file.read().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


@asynccontextmanager
async def tuned_memory(store: Store) -> AsyncIterator[None]:
    """Have malloc keep what is freed for the next answer, but not after a burst.

    By default glibc returns the memory of each batch of chunks to the kernel and gets
    it back page by page for the next one, which costs more than reading the batch.
    But memory that is free between the chunks of many stalled clients has to be
    trimmed, and what a burst of requests has left.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(M_TRIM_THRESHOLD, FREED_BYTES)
    libc.mallopt(M_MMAP_THRESHOLD, FREED_BYTES)

    burst = Burst(measure_resident())

    async def trim() -> None:
        while True:
            with suppress(MemoryError):  # which must not end it
                await asyncio.sleep(TRIM_SECONDS)
                if store.crowded or burst.has_left(measure_resident()):
                    libc.malloc_trim(0)  # malloc_trim(3)
                    burst.settle(measure_resident())

    task = asyncio.create_task(trim())
    try:
        yield
    finally:
        task.cancel()
