"""Starting what is measured on a port of its own, and stopping it whole."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import TYPE_CHECKING

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN_FILES = 16_384
START_SECONDS = 20
STOP_SECONDS = 15
PROBE_SECONDS = 5.0
PORTS = cycle(random.Random(os.getpid()).sample(range(20_000, 32_000), 12_000))


def raise_limit() -> None:
    """Let us and what we start have a thousand connections and more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run processes that are started here on this core only."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def find_port() -> int:
    """Return a free port, and not the same again soon.

    It is none of those that the kernel gives to clients and to who asks for any
    (ip_local_port_range): one of them might be taken before a slow server has it.
    """
    for port in PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("PORTS has no end")


def wait_for(process: subprocess.Popen[str], port: int, log: Path) -> None:
    """Return when it has accepted a connection, and let go of it.

    Raises Fault with its last words when it ends or takes too long.
    """
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), PROBE_SECONDS) as probe:
                probe.shutdown(socket.SHUT_WR)
                with suppress(TimeoutError):
                    probe.recv(1)
                return
        except ConnectionError:  # nobody listens, or has ended since
            time.sleep(0.03)
    said = (log.read_text(errors="replace").splitlines() or ["it said nothing"])[-1]
    command = process.args
    raise Fault(f"{command!r} did not start ({said}): fix that, or leave it out")


def stop(process: subprocess.Popen[str]) -> None:
    """Stop it and all that it started."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
