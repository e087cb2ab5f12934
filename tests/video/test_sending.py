"""The client's pace: what is read for nobody, what a stalled client costs."""

from __future__ import annotations

import asyncio
import fcntl
import math
import random
import resource
import socket
import sys
import termios
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.stand.process import raise_limit
from server.reading.store import CHUNK_BYTES
from server.video import sending
from tests.command import serving
from tests.conftest import execute, insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served

pytestmark = pytest.mark.long

SIZE = 16 << 20
DATA = random.Random(13).randbytes(SIZE)
WASTE_BYTES = 512 * 1024
STALLED, STALLED_BYTES = 1_000, 100_000_000


async def settled_bytes(served: Served) -> int:
    """Return what was read of the table, once nothing more is being read."""
    before = -1
    while served.store.reader.bytes_read != before:
        before = served.store.reader.bytes_read
        await asyncio.sleep(0.2)
    return before


def ask(port: int, number: int, first: int) -> socket.socket:
    """Return a plain socket on which the rest of a video begins to arrive."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    request = f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\nRange: bytes={first}-"
    client.sendall(f"{request}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client


def take(client: socket.socket, count: int) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        view = view[client.recv_into(view) :]
    return bytes(data)


def count_unread(client: socket.socket) -> int:
    """Return the bytes that the client's kernel has taken for it (tcp(7), SIOCINQ)."""
    return int.from_bytes(
        fcntl.ioctl(client, termios.FIONREAD, bytes(4)), sys.byteorder
    )


def count_resident(pid: int) -> int:
    """Return the bytes of memory that a process has (proc_pid_statm(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def count_least(pid: int) -> int:
    """Return what count_resident does, once it grows no less."""
    before, now = math.inf, count_resident(pid)
    while now < before:
        time.sleep(2)
        before, now = now, count_resident(pid)
    return now


def test_stalled_clients_cost_little_more_than_a_chunk(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA[: 5 << 20])
    execute(
        database_url,
        f"""
        CREATE SCHEMA many;
        CREATE VIEW many.videos AS
        SELECT n AS id, filename, mime_type, video_data, created_at
          FROM public.videos, generate_series(1, {STALLED}) AS n
         WHERE videos.id = {number}
        """,
    )
    url = f"{database_url}&options=-c%20search_path%3Dmany"
    with serving(url, "--cache-mb", "0") as server, ExitStack() as stack:
        raise_limit()
        for n in range(1, 11):
            with ask(server.port, n, 0) as client:
                take(client, 600_000)
        before = count_resident(server.worker)
        for n in range(1, STALLED + 1):
            take(stack.enter_context(ask(server.port, n, 0)), 600_000)
        grown = count_least(server.worker) - before
    assert STALLED * CHUNK_BYTES / 2 < grown < STALLED_BYTES


def test_soft_limit_of_open_files_turns_nobody_away(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA[:100_000])
    raise_limit()
    limited = serving(database_url, run_by=["prlimit", "--nofile=64:1000"])
    with limited as server, ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(ask(server.port, number, 99_990))
            assert take(client, 10) == DATA[99_990:100_000]


async def test_aborted_answers_waste_little(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    dice = random.Random(14)

    def scrub(first: int, count: int) -> tuple[bytes, int]:
        with ask(uncached.port, number, first) as client:
            data = take(client, count)
            time.sleep(0.1)
            return data, count_unread(client)

    for _ in range(10):
        before = await settled_bytes(uncached)
        first = dice.randrange(SIZE - (4 << 20))
        taken = dice.randrange(32_768, 131_072)
        data, unread = await asyncio.to_thread(scrub, first, taken)
        assert data == DATA[first : first + taken]
        wasted = await settled_bytes(uncached) - before - taken - unread
        assert wasted <= WASTE_BYTES


async def test_slow_reader_is_not_read_ahead_for(uncached: Served) -> None:
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    with await asyncio.to_thread(ask, uncached.port, number, 0) as client:
        taken = 0
        for _ in range(20):
            taken += len(await asyncio.to_thread(take, client, 50_000))
            await asyncio.sleep(0.02)
            arrived = taken + count_unread(client)
            assert uncached.store.reader.bytes_read - arrived <= WASTE_BYTES
        rest = await asyncio.to_thread(take, client, SIZE - taken)
    assert rest == DATA[taken:]


async def test_stalled_client_gets_the_rest_when_it_goes_on(
    uncached: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STALL_SECONDS", 0.05)
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    with await asyncio.to_thread(ask, uncached.port, number, 0) as client:
        body = b""
        while len(body) < SIZE:
            count = min(3_000_000, SIZE - len(body))
            body += await asyncio.to_thread(take, client, count)
            await asyncio.sleep(0.2)
    assert body == DATA


async def test_thousand_clients_share_few_connections(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    target = f"/v3/videos/{number}"

    async def get(first: int) -> None:
        async with connect(served.port) as wire:
            asked = {"Range": f"bytes={first}-{first + 99_999}"}
            _, body = await wire.get(target, asked)
            assert body == DATA[first : first + 100_000]

    dice = random.Random(15)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(1000):
            group.create_task(get(dice.randrange(SIZE - 100_000)))
    assert served.store.database.counts.open <= 10


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=5-300000,400000-9000000"])
async def test_every_way_of_reading_gives_the_same_bytes(
    served: Served, uncached: Served, asked: str
) -> None:
    bodies = []
    for server in (served, uncached):
        execute(server.database_url, "DELETE FROM videos")
        number = insert_video(server.database_url, "a.mp4", DATA)
        for _ in range(2):  # from the table, then from memory
            async with connect(server.port) as wire:
                head, body = await wire.get(f"/v3/videos/{number}", {"Range": asked})
                assert head.status == 206
                bodies.append(body)
    boundary = bodies[0].partition(b"\r\n--")[2].partition(b"\r\n")[0]
    assert len(set(bodies)) == 1
    if asked == "bytes=0-":
        assert bodies[0] == DATA
    else:
        assert bodies[0].count(boundary) == 3
        assert DATA[5:300_001] in bodies[0]
        assert DATA[400_000:9_000_001] in bodies[0]


async def test_connection_stays_or_closes_as_asked(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    request = (
        f"GET /v3/videos/{number} HTTP/1.%d\r\nHost: a\r\nRange: bytes=0-4\r\n%s\r\n"
    )
    for version, header in ((0, ""), (1, "Connection: close\r\n")):
        async with connect(served.port) as wire:
            await wire.send((request % (version, header)).encode())
            head = await wire.head()
            assert head.headers["connection"] == "close"
            assert await wire.rest() == DATA[:5]


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    spans = [(0, 99), (70_000, 2_000_000), (5, 5), (0, 400_000), (100, 199)]
    async with connect(served.port) as wire:
        for _ in range(2):
            for first, last in spans:
                await wire.send(
                    f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\n"
                    f"Range: bytes={first}-{last}\r\n\r\n".encode()
                )
            for first, last in spans:
                head = await wire.head()
                assert head.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
                assert await wire.read(head.length) == DATA[first : last + 1]
