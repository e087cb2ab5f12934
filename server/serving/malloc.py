"""What happens to freed memory; this works with glibc only."""

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

    By default glibc returns the memory of each batch of chunks to the kernel and gets
    it back page by page for the next one, which costs more than reading the batch.
    But memory that is free between the chunks of stalled clients has to be trimmed.
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
