"""What we promise when the machine has no more memory, descriptors or disk."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
from contextlib import ExitStack, closing
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import Outcome, count_outcomes, wait_until
from tests.faults.process import read_status
from tests.faults.promise import judging

if TYPE_CHECKING:
    from tests.faults.process import Process, Serve

# Who finds no place is told so, or cut off; nobody gets a wrong byte.
NO_ROOM = frozenset({Outcome.REFUSED, Outcome.CUT, Outcome.CLOSED})
FEW_FILES = 5  # more than there are open
LITTLE_MEMORY = 200_000  # bytes more than there is mapped, too few for the load
LINES_MAX = 5
SAID_SECONDS = 20.0  # machines that test are busy


def limit(process: Process, kind: int, soft: int) -> tuple[int, int]:
    """Set the limit of a running process; return what it was."""
    old = resource.prlimit(process.popen.pid, kind)
    resource.prlimit(process.popen.pid, kind, (soft, old[1]))
    return old


@pytest.mark.long
async def test_running_out_of_descriptors_passes(serve: Serve) -> None:
    with serve("--cache-mb", "0") as process, ExitStack() as stack:
        await process.wait_until_ready()
        async with judging(process, NO_ROOM) as load:
            logged = process.logged
            used = len(os.listdir(f"/proc/{process.popen.pid}/fd"))
            old = limit(process, resource.RLIMIT_NOFILE, used + FEW_FILES)
            for _ in range(100):
                one = socket.create_connection(("127.0.0.1", process.port))
                stack.enter_context(closing(one))
            await wait_until(lambda: process.logged > logged, SAID_SECONDS)
            await asyncio.sleep(1)  # in which it says it once
            stack.close()
            resource.prlimit(process.popen.pid, resource.RLIMIT_NOFILE, old)
            await load.measure_recovery(monotonic(), 10.0)
        lines = process.read_log(logged).splitlines()
        assert 1 <= len(lines) <= LINES_MAX, lines
        assert any(re.search("file|descriptor", line) for line in lines), lines


@pytest.mark.long
async def test_running_out_of_memory_passes(serve: Serve) -> None:
    with serve("--cache-mb", "0") as process:
        await process.wait_until_ready()
        async with judging(process, NO_ROOM, clients=40) as load:
            pid = process.popen.pid
            mapped = read_status(pid, "VmSize")
            old = limit(process, resource.RLIMIT_AS, mapped + LITTLE_MEMORY)
            await asyncio.sleep(3)
            resource.prlimit(pid, resource.RLIMIT_AS, old)
            await load.measure_recovery(monotonic(), 10.0)
        # Else there was enough of it.
        assert not NO_ROOM.isdisjoint(count_outcomes(load.answers)), load.answers[:5]
