"""What becomes of freed memory; only glibc can be told."""

from __future__ import annotations

import asyncio
import ctypes
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.reading.store import Store

FREED_BYTES = 16 << 20  # free memory that the process keeps at the end of its heap
TRIM_SECONDS = 0.5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


@asynccontextmanager
async def tuned_memory(store: Store) -> AsyncIterator[None]:
    """Have malloc keep what is freed for the next answer, unless many clients stall.

    glibc would give the memory of each batch of chunks back to the kernel, and fault
    it in again page by page for the next, which costs more than the batch's read.
    What lies free between the chunks of stalled clients it would keep.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(M_TRIM_THRESHOLD, FREED_BYTES)
    libc.mallopt(M_MMAP_THRESHOLD, FREED_BYTES)

    async def trim() -> None:
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            if store.crowded:
                libc.malloc_trim(0)  # malloc_trim(3)

    task = asyncio.create_task(trim())
    try:
        yield
    finally:
        task.cancel()
