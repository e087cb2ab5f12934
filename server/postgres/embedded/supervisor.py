"""Keeps the embedded PostgreSQL running while commands use it, then stops it.

A process of its own, `supervisor.py FOLDER LOCK [POSTGRES ARGUMENT…]`, started isolated
(python -I) by the package from any directory: nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

# What lies in the data directory. Commands of older versions may use it at the same
# time, so no name may change.
CLUSTER = "cluster"  # PostgreSQL's own files
SOCKET = "socket"  # the socket's directory, or a link to it where the path is too long
URL = "url"  # where the server of now answers
LOG = "postgres.log"
USERS = "users.lock"  # shared: a command uses the server; exclusive: it is stopped
SUPERVISOR = "keeper.lock"  # exclusive: a supervisor runs, or a command prepares one

POLL_SECONDS = 0.1
TRIES = 8  # starts in a row, of what has never answered
PAUSE_SECONDS = 0.5  # the last server's backends may hold its memory a while
MOST_SECONDS = 10.0  # between starts of what has answered once
STEADY_SECONDS = 60
STOPPING_SECONDS = 1.0  # for a shutdown that others began to end by itself
PATIENCE_SECONDS = 20  # for each way to stop
LOG_BYTES = 16 * 2**20


class Account(TypedDict, total=False):
    """Whom a subprocess runs as; empty for ourselves."""

    user: int
    group: int
    extra_groups: list[int]


def pick_account(cluster: Path) -> Account:
    """Return whom PostgreSQL runs as: for root, the data's owner or nobody."""
    if os.geteuid() != 0:
        return {}
    owner = cluster.stat() if cluster.exists() else None
    if owner and owner.st_uid:
        user, group = owner.st_uid, owner.st_gid
    else:
        _, _, user, group, *_ = pwd.getpwnam("nobody")
    return {"user": user, "group": group, "extra_groups": []}


def build_environment() -> dict[str, str]:
    """Return our environment without what would change the server behind our back."""
    foreign = ("PG", "LANG", "LC_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def open_lock(path: Path) -> int:
    """Return a descriptor to lock; the kernel drops the lock with its last copy."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def take_lock(descriptor: int, mode: int) -> bool:
    """Report whether the lock could be had at once."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def find_postmaster(cluster: Path) -> int | None:
    """Return the process id of the cluster's living server.

    After a crash the id in the file may belong to a stranger or to a zombie, and
    PostgreSQL would refuse to start for either (storage/…/miscinit.c, CreateLockFile).
    """
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n")[0])
        if not Path("/proc/self/cmdline").exists():
            os.kill(pid, 0)
            return pid
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):  # ValueError: the file is just being written
        return None
    return pid if os.fsencode(cluster) in arguments else None


def is_paused(pid: int) -> bool:
    """Report whether a process was stopped by a signal (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T"
    except OSError:
        return False


def remove_address(folder: Path) -> None:
    """Forget where the last server answered."""
    (folder / URL).unlink(missing_ok=True)
    place = folder / SOCKET
    shutil.rmtree(place.resolve(), ignore_errors=True)
    place.unlink(missing_ok=True)


class Server:
    """The postmaster: our child, or one whose supervisor was killed, adopted."""

    def __init__(self, cluster: Path, command: list[str]) -> None:
        self.cluster = cluster
        self.command = command
        self.account = pick_account(cluster)
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping_since: float | None = None

    def start(self) -> None:
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        self.child = subprocess.Popen(
            self.command, cwd="/", env=build_environment(), **self.account
        )

    def runs(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return find_postmaster(self.cluster) is not None

    def read_status(self) -> str:
        """Return what it says of itself (miscadmin.h, PM_STATUS_READY and others)."""
        try:
            text = (self.cluster / "postmaster.pid").read_text()
        except (OSError, ValueError):
            return ""
        return text.rstrip().rpartition("\n")[2].strip()

    def signal(self, number: int) -> None:
        """Signal it; if not our child, as its user: a forged id must not use root."""
        if self.child is not None:
            self.child.send_signal(number)
        elif pid := find_postmaster(self.cluster):
            self._signal_as_user(number, [pid])

    def hasten(self, now: float, *, is_stopping: bool) -> None:
        """Shut down fast what somebody else began to shut down.

        A smart shutdown refuses new sessions and waits for those there are, which a
        server's pool keeps for ever.
        """
        if not is_stopping or self.stopping_since is None:
            self.stopping_since = now if is_stopping else None
        elif now - self.stopping_since > STOPPING_SECONDS:
            self.stopping_since = now
            self.signal(signal.SIGINT)

    def _signal_as_user(self, number: int, pids: list[int]) -> None:
        kill = ["/bin/sh", "-c", f"kill -{number:d} {' '.join(map(str, pids))}"]
        subprocess.run(
            kill, check=False, cwd="/", stderr=subprocess.DEVNULL, **self.account
        )

    def stop(self) -> None:
        """Shut down fast; if that takes too long, at once; then the hard way.

        One that was paused goes on. Killed, it leaves its children, which hold its
        memory, so that no other could start.
        """
        family = self._list_family()
        if family and any(map(is_paused, family)):
            self._signal_as_user(signal.SIGCONT, family)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            family = self._list_family()
            self.signal(number)
            if number == signal.SIGKILL and family:
                self._signal_as_user(number, family)
            until = time.monotonic() + PATIENCE_SECONDS
            while self.runs() and time.monotonic() < until:
                time.sleep(0.02)

    def _list_family(self) -> list[int]:
        """Return the living postmaster and its children, where the system tells."""
        pid = self.child.pid if self.child is not None else None
        pid = pid or find_postmaster(self.cluster)
        if pid is None or not self.runs():
            return []
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return [pid]
        return [pid, *map(int, children.split())]


def watch(server: Server, users: int, log: Path) -> None:
    """Return when nobody uses the server any more, or it never answers.

    One that has answered is started again as often as it ends, ever more slowly.
    """
    tries, started, answered = 0, time.monotonic(), False
    while not take_lock(users, fcntl.LOCK_EX):
        now = time.monotonic()
        if server.runs():
            status = server.read_status()
            answered = answered or status == "ready"
            server.hasten(now, is_stopping=status == "stopping")
        else:
            if now - started > STEADY_SECONDS:
                tries = 0
            if not server.command or (tries >= TRIES and not answered):
                return
            if not tries or now >= started + pick_pause(tries):
                tries, started = tries + 1, now
                if answered:
                    note("PostgreSQL ended: starting it again")
                server.start()
        with suppress(FileNotFoundError):
            if log.stat().st_size > LOG_BYTES:
                os.truncate(log, 0)
        time.sleep(POLL_SECONDS)


def note(sentence: str) -> None:
    """Write to PostgreSQL's log, which is our standard output, if the disk has room."""
    with suppress(OSError):
        os.write(1, f"bytereel: {sentence}\n".encode())


def pick_pause(tries: int) -> float:
    """Return the seconds from one start to the next after so many in a row."""
    return min(PAUSE_SECONDS * 2.0 ** min(tries - 1, 10), MOST_SECONDS)


def main(folder: Path, command: list[str]) -> None:
    """Detach from the command that started us, then keep the server running."""
    if os.fork():
        os._exit(0)
    # When all processes are told to end, commands may still finish their work.
    signal.signal(signal.SIGTERM, lambda *_: None)
    server = Server(folder / CLUSTER, command)
    try:
        watch(server, open_lock(folder / USERS), folder / LOG)
    finally:
        server.stop()
        remove_address(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3:])  # the lock, 2, need only stay open
