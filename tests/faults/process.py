"""A server process with what surrounds it: descriptors, limits, signals, memory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.command import ROOT, Server
from tests.faults.load import wait_until
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    from tests.wire import Head

    Output = IO[bytes] | int
    Serve = Callable[..., AbstractContextManager["Process"]]

START_SECONDS = 30.0
POLL_SECONDS = 0.02
CLEAR_PEAK = "5"  # proc_pid_clear_refs(5)


class Process:
    """A server that was started; see running."""

    def __init__(
        self,
        port: int,
        process: subprocess.Popen[str],
        log: Path,
        videos: Mapping[int, bytes],
    ) -> None:
        self.port, self.log = port, log
        self.videos = videos  # what it serves, by id
        self.server = Server(process, [f"http://127.0.0.1:{port}/"])

    @property
    def popen(self) -> subprocess.Popen[str]:
        return self.server.process

    @property
    def pids(self) -> list[int]:
        """Return the process and its workers, if it has any."""
        return [self.popen.pid, *self.server.workers]

    def read_log(self, since: int = 0) -> str:
        """Return what it wrote to its log from that byte on."""
        return self.log.read_bytes()[since:].decode(errors="replace")

    @property
    def logged(self) -> int:
        """Return how many bytes it has written to its log."""
        return self.log.stat().st_size

    async def get(self, path: str, within: float = 20.0) -> tuple[Head, bytes]:
        """Return the answer to a GET on a connection of its own."""
        async with asyncio.timeout(within), connect(self.port) as wire:
            return await wire.get(path)

    async def wait_until_alive(self, within: float = START_SECONDS) -> None:
        """Wait until /healthz answers."""
        await self._wait_for_200("/healthz", within)

    async def wait_until_ready(self, within: float = START_SECONDS) -> None:
        """Wait until /readyz says so."""
        await self._wait_for_200("/readyz", within)

    async def _wait_for_200(self, path: str, within: float) -> None:
        async with asyncio.timeout(within):
            while True:
                assert self.popen.poll() is None, self.read_log()
                with suppress(OSError, EOFError):
                    head, _ = await self.get(path, within)
                    if head.status == 200:
                        return
                await asyncio.sleep(POLL_SECONDS)

    async def wait_until_ended(self, within: float) -> int:
        """Return the exit status."""
        await wait_until(lambda: self.popen.poll() is not None, within)
        return self.popen.returncode

    def forget_peak(self) -> None:
        """Let read_peak begin anew."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text(CLEAR_PEAK)

    def read_peak(self) -> int:
        """Return the bytes of memory, of all processes, that were used at the most."""
        return sum(read_status(pid, "VmHWM") for pid in self.pids)


def read_status(pid: int, name: str) -> int:
    """Return a size of a process in bytes, by its name in /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} of {pid}")


def pick_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def running(
    url: str,
    folder: Path,
    *arguments: str,
    videos: Mapping[int, bytes] = {},
    run_by: Sequence[str] = (),
    stdout: Output | None = None,
    stderr: Output | None = None,
) -> Iterator[Process]:
    """Yield `serve` as soon as its process exists; kill it at the end.

    What is not given as stdout or stderr goes to a log in folder; run_by begins its
    command.
    """
    port = pick_port()
    path = folder / f"server-{port}.log"
    command = [*run_by, sys.executable, "-m", "server", "serve", "--port", str(port)]
    with path.open("ab") as log:
        popen = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log if stderr is None else stderr,
            text=True,
        )
    try:
        yield Process(port, popen, path, videos)
    finally:
        with suppress(ProcessLookupError):
            os.kill(popen.pid, signal.SIGCONT)
        popen.kill()
        popen.wait()
