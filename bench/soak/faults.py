"""What goes wrong in a soak: backends and PostgreSQL end, clients stall and attack."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import psycopg2

from bench.measure import find_postmaster
from server.errors import Fault
from server.postgres.plain import connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bench.soak.tally import Tally

TERMINATE = """
SELECT pg_terminate_backend(pid)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND pid <> pg_backend_pid()
   AND random() < 0.5
"""
STALL_SECONDS = 5.0
RESTART_SECONDS = 75.0  # between restarts; a supervisor gives up after several at once
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
HOSTILE = (
    bytes(64 * 1024),
    HEAD + b"X: " + b"a" * 64 * 1024,
    HEAD + b"X: y\r\n" * 5000,
    HEAD + b"Range: bytes=" + b"0-1," * 4000 + b"\r\n\r\n",
    b"POST /v3/views HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"5;" + b"e" * 64 * 1024,
    b"POST /v3/views HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n{",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: [\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 200,
)  # fmt: skip


class Faults:
    """Brings faults about, one after the other."""

    def __init__(
        self, port: int, pid: int, url: str, target: str, tally: Tally, random: Random
    ) -> None:
        """Take the server's port and process, its database, and a long video."""
        self.port, self.pid, self.url, self.target = port, pid, url, target
        self.tally, self.random = tally, random
        self._restarted = -RESTART_SECONDS
        self._stalled: set[asyncio.Task[None]] = set()

    async def bring(self, share: float, seconds: float) -> None:
        """Bring about one at random; share is how much of the run is over."""
        kinds: list[Callable[[], Awaitable[None]]]
        kinds = [self.kill_backends, self.stall, self.abort, self.attack, self.attack]
        if seconds - self._restarted > RESTART_SECONDS:
            kinds.append(self.restart_database)
            kinds.append(self.restart_database)
        if share < 0.25:  # who is judged afterwards must not be replaced by the young
            kinds.append(self.replace_workers)
        kind = self.random.choice(kinds)
        if kind == self.restart_database:
            self._restarted = seconds
        await kind()

    async def kill_backends(self) -> None:
        """End some of the server's sessions."""
        self.tally.excuse("backends killed")
        await asyncio.to_thread(self._terminate)

    def _terminate(self) -> None:
        with (
            suppress(psycopg2.Error, Fault),
            closing(connect(self.url)) as database,
            database.cursor() as cursor,
        ):
            cursor.execute(TERMINATE)

    async def restart_database(self) -> None:
        """Stop PostgreSQL fast; its supervisor starts it again."""
        with suppress(psycopg2.Error, Fault, ProcessLookupError):
            if pid := await asyncio.to_thread(find_postmaster, self.url):
                self.tally.excuse("PostgreSQL restarted")
                os.kill(pid, signal.SIGINT)

    async def replace_workers(self) -> None:
        """Let the server replace its workers."""
        self.tally.excuse("workers replaced")
        os.kill(self.pid, signal.SIGHUP)
        await asyncio.sleep(0)

    async def stall(self) -> None:
        """Open connections that ask and then read nothing, or send half a request."""
        self.tally.faults["clients stalled"] += 1
        request = f"GET {self.target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        for data in (request, request, request[:20], request[:-2], b""):
            task = asyncio.create_task(self._stall(data))
            self._stalled.add(task)
            task.add_done_callback(self._stalled.discard)
        await asyncio.sleep(0)

    async def _stall(self, data: bytes) -> None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1)
            writer.write(data)
            await asyncio.sleep(STALL_SECONDS)
            writer.transport.abort()

    async def abort(self) -> None:
        """Ask, and reset the connection."""
        self.tally.faults["clients aborted"] += 1
        request = f"GET {self.target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        for _ in range(10):
            with socket.socket() as wire, suppress(OSError):
                wire.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                wire.connect(("127.0.0.1", self.port))
                wire.send(request)
                await asyncio.sleep(0.01)

    async def attack(self) -> None:
        """Send what no client sends, and read what is answered."""
        self.tally.faults["hostile heads"] += 1
        data = self.random.choice(HOSTILE)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(STALL_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(data)
                    said = await reader.read(1000)
                    if b" 500 " in said[:20]:
                        self.tally.note_wrong("hostile", ValueError(f"{said[:80]!r}"))
                finally:
                    writer.transport.abort()

    async def end(self) -> None:
        """Return when the last stalled client has left."""
        for error in await asyncio.gather(*self._stalled, return_exceptions=True):
            if isinstance(error, Exception):
                self.tally.note_wrong("stalled client", error)
