"""What we promise when the machine has no more memory, descriptors or disk."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
from contextlib import ExitStack, closing, suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import Outcome, count_outcomes, loading, wait_until
from tests.faults.process import read_status
from tests.faults.promise import judging

if TYPE_CHECKING:
    from tests.faults.process import Serve

# Who finds no place is told so, or cut off; nobody gets a wrong byte.
NO_ROOM = frozenset({Outcome.REFUSED, Outcome.CUT, Outcome.CLOSED})
FEW_FILES = 5  # more than there are open
STALLED = 300  # clients that ask for the longest video and do not read
ASKS = b"GET /v3/videos/3 HTTP/1.1\r\nHost: here\r\n\r\n"
LINES_MAX = 5
SAID_SECONDS = 20.0  # machines that test are busy


def limit(pid: int, kind: int, soft: int) -> tuple[int, int]:
    """Set the limit of a running process; return what it was."""
    old = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (soft, old[1]))
    return old


@pytest.mark.long
async def test_running_out_of_descriptors_passes(serve: Serve) -> None:
    with serve("--cache-mb", "0") as process, ExitStack() as stack:
        await process.wait_until_ready()
        async with judging(process, NO_ROOM) as load:
            logged, pid = process.logged, process.server.worker
            used = len(os.listdir(f"/proc/{pid}/fd"))
            old = limit(pid, resource.RLIMIT_NOFILE, used + FEW_FILES)
            for _ in range(100):
                one = socket.create_connection(("127.0.0.1", process.port))
                stack.enter_context(closing(one))
            await wait_until(lambda: process.logged > logged, SAID_SECONDS)
            await asyncio.sleep(1)  # in which it says it once
            stack.close()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
            await load.measure_recovery(monotonic(), 10.0)
        lines = process.read_log(logged).splitlines()
        assert 1 <= len(lines) <= LINES_MAX, lines
        assert any(re.search("file|descriptor", line) for line in lines), lines


@pytest.mark.long
@pytest.mark.parametrize("megabytes", [0, 0.2, 1, 2, 4])
async def test_running_out_of_memory_passes(megabytes: float, serve: Serve) -> None:
    """C code that gets no memory may crash; then another worker takes its place."""
    with serve("--cache-mb", "4") as process:
        await process.wait_until_ready()
        # Not judging: Python itself writes tracebacks when it cannot even log.
        async with loading(process.port, process.videos, clients=10) as load:
            pid = process.server.worker
            room = int(megabytes * 1_000_000)
            old = limit(pid, resource.RLIMIT_AS, read_status(pid, "VmSize") + room)
            with ExitStack() as stack:
                for _ in range(STALLED):
                    one = socket.create_connection(("127.0.0.1", process.port))
                    stack.enter_context(closing(one)).sendall(ASKS)
                await asyncio.sleep(3)
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_AS, old)
            await load.measure_recovery(monotonic(), 30.0)
        assert process.popen.poll() is None
    outcomes = count_outcomes(load.answers)
    assert outcomes.keys() <= NO_ROOM | {Outcome.RIGHT, Outcome.HUNG}, outcomes
    if megabytes < 1:  # else some machines have enough
        assert not NO_ROOM.isdisjoint(outcomes), outcomes
