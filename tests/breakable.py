"""What tests may break: a proxy before PostgreSQL or any server, and a PostgreSQL.

The proxy lives in the test's event loop: nothing passes while the test itself blocks.

    async with breakable(url) as proxy:       # url of PostgreSQL, on TCP or a socket
        database = Database(proxy.url)        # the same URL, but through the proxy
        proxy.cut()                           # reset every connection; new ones pass
        proxy.limit = 1000                    # so many bytes more come from the server…
        proxy.after_limit = proxy.cut         # …then this happens: cut or stall
        proxy.delay = 2.0                     # seconds that each answer comes later
        proxy.stall()                         # accept, and pass nothing: a black hole
        proxy.resume()
        proxy.say(b"Z")                       # to clients, as if from the server
        await proxy.refuse()                  # cut, and refuse new connections for good
        proxy.accepted                        # how many connections there have been

The server belongs to the module that starts it; run() takes its programs:

    server = Postgres(folder, "data")         # of a folder that "nobody" may write to
    server.run("initdb", "-U", "postgres", "-A", "trust")
    server.start(); server.stop(signal.SIGQUIT); server.ask("SELECT 1"); server.url
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import subprocess
import time
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from server.postgres.embedded.binaries import find_binaries
from server.postgres.embedded.supervisor import pick_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

HANG_SECONDS = 30  # only a hang takes so long

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: don't say good-bye


class Breakable:
    """The proxy; see the module's text."""

    def __init__(self, host: str, port: str) -> None:
        self.host, self.port = host, port
        self.url = ""
        self.accepted = 0
        self.delay = 0.0
        self.limit: int | None = None
        self.after_limit: Callable[[], None] = self.cut
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        for writer in self._open:
            if writer.is_closing():
                continue
            end = writer.get_extra_info("socket")
            if end.family != socket.AF_UNIX:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def say(self, data: bytes) -> None:
        for writer in self._clients:
            writer.write(data)

    def stall(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    async def refuse(self) -> None:
        if self._server:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._open.clear()
        self._clients.clear()

    async def listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._server is None or not self._server.is_serving():
            writer.transport.abort()  # it came in while we began to refuse
            return
        self.accepted += 1
        # Now, for the task may be cancelled before it begins.
        self._open.add(writer)
        self._clients.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writers = [writer]
        try:
            if self.host.startswith("/"):
                path = f"{self.host}/.s.PGSQL.{self.port}"
                answers, server = await asyncio.open_unix_connection(path)
            else:
                answers, server = await asyncio.open_connection(self.host, self.port)
            writers.append(server)
            self._open.add(server)
            await asyncio.gather(
                self._pump(reader, server, False), self._pump(answers, writer, True)
            )
        except OSError:
            pass  # cut, by the test or by the server
        finally:
            self._clients.discard(writer)
            for each in writers:
                self._open.discard(each)
                each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: bool
    ) -> None:
        while data := await reader.read(65536):
            await self._flows.wait()
            if counts and self.delay:
                await asyncio.sleep(self.delay)
            if counts and self.limit is not None:
                data, rest = data[: self.limit], data[self.limit :]
                self.limit -= len(data)
                writer.write(data)
                if rest:
                    self.limit = None
                    await asyncio.sleep(0)  # so that what was allowed leaves
                    self.after_limit()
                    await self._flows.wait()
                data = rest
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def breakable(url: str) -> AsyncIterator[Breakable]:
    target = parse_dsn(url)
    host = target.get("host", "127.0.0.1")
    proxy = Breakable(host, target.get("port", "5432"))
    port = await proxy.listen()
    proxy.url = make_dsn(url, host="127.0.0.1", port=port, sslmode="disable")
    try:
        yield proxy
    finally:
        await proxy.refuse()


class Postgres:
    """A PostgreSQL that a test may stop and kill."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.data = folder, folder / name
        self.account = pick_account(self.data)
        self.programs = find_binaries(None, folder, self.account).folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres@/postgres?host={folder}&port={self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [f"{self.programs}/{program}", "-D", f"{self.data}", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **self.account,
        )

    def start(self) -> None:
        settings = {
            "fsync": "off",
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
        }
        command: list[str] = [f"{self.programs}/postgres", "-D", f"{self.data}"]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, cwd="/", **self.account
            )
        for _ in range(500):
            with suppress(psycopg2.OperationalError):
                self.ask("SELECT 1")
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait(HANG_SECONDS)
            self.process = None

    def ask(self, query: str) -> Any:
        """Return the first value of the first row, if there is one."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone() if cursor.description else None
                return row and row[0]

    def count(self, marker: str) -> int:
        """Return how many sessions run a statement with this in it."""
        found = self.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            f" AND pid != pg_backend_pid() AND query LIKE '%{marker}%'"
        )
        return int(found)
