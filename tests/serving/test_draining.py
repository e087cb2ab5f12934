"""A server is stopped or replaced under load, and no request is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sys
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import pytest

from tests.command import Server, serving, starting
from tests.conftest import insert_video
from tests.load import Load
from tests.waiting import wait_until
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.load import Connect

DATA = random.Random(16).randbytes(1_000_000)
# Passes a listening socket on as systemd does: as descriptor 3.
SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Place(NamedTuple):
    """Where servers listen one after the other."""

    start: Callable[..., AbstractContextManager[Server]]
    connect: Connect


def share_port(stack: ExitStack, url: str, _: Path) -> Place:
    reserved = stack.enter_context(socket.socket())  # it never listens
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    return Place(
        partial(starting, url, "serve", "--port", str(port), "--share-port", "yes"),
        partial(asyncio.open_connection, "127.0.0.1", port),
    )


def share_unix_socket(_: ExitStack, url: str, folder: Path) -> Place:
    path = folder / "bytereel.sock"
    return Place(
        partial(starting, url, "serve", f"--socket=unix:{path}", "--share-port=yes"),
        partial(asyncio.open_unix_connection, path),
    )


def pass_socket(stack: ExitStack, url: str, _: Path) -> Place:
    held = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
    run_by = (sys.executable, "-c", SYSTEMD, str(held.fileno()))
    return Place(
        partial(starting, url, "serve", run_by=run_by, pass_fds=[held.fileno()]),
        partial(asyncio.open_connection, *held.getsockname()),
    )


def count_views(url: str) -> int:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sum(started) FROM video_views")
        ((count,),) = cursor.fetchall()
    return int(count)


async def stop(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.process.wait, 15) == 0


def is_over(server: Server, old: set[int]) -> bool:
    """Report whether none of the old workers is left."""
    return not server.workers & old


ROUNDS = 4  # in which a server is replaced
ANSWERS = 300  # before each of them


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("find", [share_port, share_unix_socket, pass_socket])
async def test_newer_server_takes_over_without_a_lost_request(
    find: Callable[[ExitStack, str, Path], Place],
    workers: str,
    database_url: str,
    tmp_path: Path,
) -> None:
    video = insert_video(database_url, "run_person.mp4", DATA)
    with ExitStack() as stack:
        place = find(stack, database_url, tmp_path)

        async def start() -> Server:
            started = place.start("--workers", workers)
            return await asyncio.to_thread(stack.enter_context, started)

        server = await start()
        load = Load(place.connect, video, DATA)
        async with load.running(kept=8, new=8, pause=0.05):
            for _ in range(ROUNDS):
                await load.reach(ANSWERS)
                newer = await start()
                await stop(server)
                server = newer
            await load.reach(ANSWERS)
        await stop(server)
    assert load.lost == []
    assert count_views(database_url) == load.views > 0


@pytest.mark.long
async def test_reload_of_workers_loses_no_request(database_url: str) -> None:
    video = insert_video(database_url, "run_person.mp4", DATA)
    with serving(database_url, "--workers", "2") as server:
        port = server.port
        load = Load(partial(asyncio.open_connection, "127.0.0.1", port), video, DATA)
        async with load.running(kept=8, new=8, pause=0.05):
            for _ in range(5 * ROUNDS):
                await load.reach(ANSWERS)
                old = server.workers
                server.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(wait_until, partial(is_over, server, old))
            await load.reach(ANSWERS)
        await stop(server)
    assert load.lost == []
    assert count_views(database_url) == load.views > 0


GET = b"GET /v3/videos/%d HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n"


@pytest.mark.long
async def test_kept_connections_are_answered_once_more_and_closed(
    database_url: str,
) -> None:
    video = insert_video(database_url, "run_person.mp4", DATA)
    with serving(database_url) as server:
        async with connect(server.port) as used, connect(server.port) as idle:
            for wire in (used, idle):
                await wire.send(GET % video)
                head = await wire.head()
                assert "connection" not in head.headers
                assert await wire.read(10) == DATA[:10]
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            await used.send(2 * (GET % video))  # both have come when one is answered
            for closes in (False, True):
                head = await used.head()
                assert (head.headers.get("connection") == "close") == closes
                assert await used.read(10) == DATA[:10]
            assert await used.rest() == b""
            assert await idle.rest() == b""
        assert server.process.wait(15) == 0


@pytest.mark.long
async def test_request_that_has_begun_to_come_is_answered(database_url: str) -> None:
    video = insert_video(database_url, "run_person.mp4", DATA)
    with serving(database_url) as server:
        async with connect(server.port) as wire:
            text = GET % video
            await wire.send(text[:20])
            await asyncio.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            for part in range(20, len(text), 20):  # more often than QUIET_SECONDS
                await asyncio.sleep(1)
                await wire.send(text[part : part + 20])
            head = await wire.head()
            assert (head.status, await wire.rest()) == (206, DATA[:10])
        assert server.process.wait(15) == 0
