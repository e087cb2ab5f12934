"""What we promise of connections that do nothing, or next to nothing."""

from __future__ import annotations

import asyncio
import re
import select
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.hostile import OPEN, POST, get, open_socket
from tests.faults.promise import ONLY_RIGHT, asking_health, judging

if TYPE_CHECKING:
    import socket

    from tests.faults.process import Process, Serve

pytestmark = pytest.mark.long

GONE = select.POLLRDHUP | select.POLLERR | select.POLLHUP
BODY = POST.format(fields="Content-Length: 1000").encode() + b"{"
SMALL_LIMITS = (
    *("--head-seconds", "2", "--body-rate", "1000"),
    *("--stall-seconds", "2", "--keepalive-seconds", "2"),
)
CLOSED = re.compile(rb"^bytereel_connections_closed_total\S* ([\d.]+)", re.M)


class Idle(NamedTuple):
    """What a connection sends, once and then every five seconds."""

    first: bytes
    drip: bytes = b""


def list_kinds(video: int) -> dict[str, Idle]:
    return {
        "nothing": Idle(b""),
        "half a line": Idle(b"GET /v3/vi"),
        "half a head": Idle(OPEN),
        "a header at times": Idle(OPEN, b"X-A: a\r\n"),
        "half a body": Idle(BODY),
        "a byte at times": Idle(BODY, b" "),
        "unread download": Idle(get(f"/v3/videos/{video}")),
    }


def is_closed(one: socket.socket) -> bool:
    """Report whether the other side has closed, though nothing is read."""
    poll = select.poll()
    poll.register(one, GONE)
    return bool(poll.poll(0))


async def measure_life(
    process: Process, idle: Idle, pause: float, most: float
) -> float:
    """Return after how many seconds the server closed such a connection."""
    loop = asyncio.get_running_loop()
    with closing(await open_socket(process.port)) as one:
        began = dripped = monotonic()
        await loop.sock_sendall(one, idle.first)
        while not is_closed(one) and monotonic() < began + most:
            await asyncio.sleep(0.05)
            if idle.drip and monotonic() > dripped + pause:
                dripped = monotonic()
                with suppress(OSError):
                    await loop.sock_sendall(one, idle.drip)
        return monotonic() - began


async def find_open(process: Process, pause: float, most: float) -> dict[str, float]:
    """Return the kinds of connections that were still open after so many seconds."""
    kinds = list_kinds(max(process.videos))
    lives = await asyncio.gather(
        *(measure_life(process, idle, pause, most) for idle in kinds.values())
    )
    return {kind: life for kind, life in zip(kinds, lives, strict=True) if life >= most}


async def count_closed(process: Process) -> float:
    _, metrics = await process.get("/metrics")
    return sum(map(float, CLOSED.findall(metrics)))


async def test_idle_connections_are_closed_and_counted(serve: Serve) -> None:
    with serve(*SMALL_LIMITS) as process:
        await process.wait_until_ready()
        async with judging(process, ONLY_RIGHT), asking_health(process):
            assert await find_open(process, 0.5, 20) == {}
        assert await count_closed(process) >= len(list_kinds(1))


async def test_idle_connections_are_closed_by_default(serve: Serve) -> None:
    with serve() as process:
        await process.wait_until_ready()
        async with judging(process, ONLY_RIGHT), asking_health(process):
            assert await find_open(process, 5, 150) == {}
