"""The command in a process of its own, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[1]


class Server(NamedTuple):
    """A server that answers."""

    process: subprocess.Popen[str]
    lines: list[str]  # what it said until then

    @property
    def address(self) -> str:
        """Return its first page's URL."""
        return next(word for word in self.lines[-1].split() if word.startswith("http"))

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return urlsplit(self.address).port or 0

    @property
    def workers(self) -> set[int]:
        """Return the process ids of its forks; other children run another command."""
        return list_forks(self.process.pid)

    @property
    def worker(self) -> int:
        """Return the process id of its only worker."""
        (worker,) = self.workers
        return worker


def list_forks(pid: int) -> set[int]:
    """Return the children of a process that run the same command as it, if it runs."""
    children = ""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    ours = read_command(pid)
    return {int(each) for each in children.split() if read_command(each) == ours}


def read_command(pid: int | str) -> bytes:
    """Return the command line of a process; nothing if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def run(
    *arguments: str, url: str = "", status: int = 0, is_our_fault: bool = False
) -> str:
    """Return what a command prints, standard error behind standard output.

    A traceback is in it only where the fault is ours.
    """
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode == status, text
    assert ("Traceback" in text) == is_our_fault, text
    return text


@contextmanager
def starting(
    url: str, *arguments: str, run_by: Sequence[str] = (), **more: Any
) -> Iterator[Server]:
    """Yield a server once it names its address; kill it and its workers at the end.

    more goes to Popen.
    """
    process = subprocess.Popen(
        [*run_by, sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("bytereel is at "):
                    break
            yield Server(process, lines)
        finally:
            workers = list_forks(process.pid)
            process.kill()
            process.wait()
            for worker in workers:  # which would answer for a while yet
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)


def serving(
    url: str, *arguments: str, run_by: Sequence[str] = (), **more: Any
) -> AbstractContextManager[Server]:
    """Yield a server of this database on a free port; run_by begins its command."""
    return starting(url, "serve", "--port", "0", *arguments, run_by=run_by, **more)
