"""The proxy that tests break closes what it accepted, whenever it is broken."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.breakable import HANG_SECONDS, Breakable

if TYPE_CHECKING:
    import pytest


class Hasty(Breakable):
    """Refuses as soon as a connection is in, before that is served."""

    refusing: asyncio.Task[None] | None = None

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super()._accept(reader, writer)
        for task in self._tasks:
            task.cancel()
        self.refusing = asyncio.create_task(self.refuse())


async def test_connection_that_came_with_the_refusal_is_closed(
    recwarn: pytest.WarningsRecorder,
) -> None:
    warnings.simplefilter("always")
    proxy = Hasty("127.0.0.1", "1")
    port = await proxy.listen()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(HANG_SECONDS):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
    finally:
        writer.close()
        await proxy.refuse()
    del reader, writer
    gc.collect()
    assert not [each for each in recwarn if "StreamWriter" in str(each.message)]
