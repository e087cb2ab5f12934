"""What we promise when nobody reads our output, or it can't be written."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import contextmanager
from fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.faults.promise import NOT_NOW, ONLY_RIGHT, asking_health, cases, judging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.database import Victim
    from tests.faults.process import Process, Serve

pytestmark = pytest.mark.long

SMALLEST_PIPE = 4096
ACCESS_LOG = ("--access-log", "json")
MARK = "/v3/videos/987654"

OUTPUTS = {
    "disk full": 'exec "$@" >/dev/full 2>&1',
    "stdout closed": 'exec "$@" >&-',
    "stderr closed": 'exec "$@" 2>&-',
    "all closed": 'exec "$@" <&- >&- 2>&-',
    "reader gone": 'exec "$@" > >(exec true) 2>&1',
}
"""How a shell starts a server whose output can't be written."""


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Yield the ends of a pipe that takes nothing more until it is read."""
    read, write = os.pipe()
    try:
        fcntl(write, F_SETPIPE_SZ, SMALLEST_PIPE)
        os.write(write, b"\n" * fcntl(write, F_GETPIPE_SZ))
        yield read, write
    finally:
        os.close(read)
        os.close(write)


async def read_until_marked(read: int, process: Process) -> str:
    """Return what comes through a pipe until a request with MARK stands in it."""
    os.set_blocking(read, False)
    text = ""
    async with asyncio.timeout(20):
        while MARK not in text.rpartition("\n")[0]:
            await process.get(MARK)
            try:
                text += os.read(read, SMALLEST_PIPE).decode()
            except BlockingIOError:
                await asyncio.sleep(0.02)
    return text.rpartition("\n")[0]


async def test_unread_access_log_stops_nothing(serve: Serve) -> None:
    with full_pipe() as (read, write), serve(*ACCESS_LOG, stdout=write) as process:
        await process.wait_until_ready()
        async with judging(process, ONLY_RIGHT) as load, asking_health(process):
            await load.wait_for(200)
        text = await read_until_marked(read, process)
        for line in filter(None, text.splitlines()):
            assert line.startswith("bytereel is at ") or json.loads(line)


async def test_unread_errors_stop_nothing(serve: Serve, victim: Victim) -> None:
    with full_pipe() as (_, write), serve("--cache-mb", "0", stderr=write) as process:
        await process.wait_until_ready()
        async with judging(process, NOT_NOW) as load, asking_health(process):
            await asyncio.to_thread(victim.stop)  # of which standard error is told
            await asyncio.sleep(0.5)
            await asyncio.to_thread(victim.start)
            await load.measure_recovery(monotonic(), 5.0)


@pytest.mark.parametrize("command", cases(OUTPUTS, ()))
async def test_lost_output_stops_nothing(
    command: str, serve: Serve, victim: Victim
) -> None:
    shell = ("bash", "-c", command, "bash")
    with serve(*ACCESS_LOG, "--cache-mb", "0", run_by=shell) as process:
        await process.wait_until_ready()
        async with judging(process, NOT_NOW) as load, asking_health(process):
            await asyncio.to_thread(victim.disconnect)
            await load.measure_recovery(monotonic(), 5.0)
        _, metrics = await process.get("/metrics")
        dropped = re.findall(rb"^\S*log_lines_dropped\S* (\d+)", metrics, re.M)
        assert len(dropped) == 1
        assert command == OUTPUTS["stderr closed"] or int(dropped[0]) > 0
