"""Connections are accepted, come what may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from server.serving import listen
from server.serving.connection import Connection
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served


async def test_lack_of_memory_for_a_connection_costs_only_that(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = ["memory"]

    def make(*arguments: Any) -> Connection:
        if lacking:
            lacking.clear()
            raise MemoryError
        return Connection(*arguments)

    monkeypatch.setattr(listen, "Connection", make)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        async with connect(served.port) as wire:
            await wire.get("/healthz")
    async with asyncio.timeout(20), connect(served.port) as wire:
        assert (await wire.get("/healthz"))[0].status == 200
