"""A PostgreSQL of our own in a data directory, shared by the commands that use it."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.postgres.embedded import supervisor
from server.postgres.embedded.cluster import find_closed, prepare_server
from server.postgres.embedded.supervisor import open_lock, take_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START_SECONDS = 60
RECOVERY_SECONDS = 600  # a server that says it is starting up deserves more
STOP_SECONDS = 9.6  # from the moment when a server was told to stop, if one was
POLL_SECONDS = 0.03


_told: float | None = None  # when, by monotonic


def count_from(moment: float) -> None:
    """Count the seconds for leaving from a moment, by monotonic, and not from then."""
    global _told
    _told = moment


@contextmanager
def running(data_dir: Path | None, settings: Mapping[str, str] = {}) -> Iterator[str]:
    """Yield the URL of the embedded PostgreSQL in data_dir, started if need be.

    The last command to leave waits until it has stopped, except one that SystemExit
    ends. Settings count if this starts it. For another of its databases, replace
    "/bytereel?" in the URL.
    """
    if data_dir is None:
        raise Fault("this user has no home folder", "give --data-dir")
    folder = data_dir.expanduser().resolve()
    with _mendable(folder):
        _make_folder(folder)
        users = _register(folder)
    waits = True
    try:
        with _mendable(folder):
            url = _join(folder, settings)
        yield url
    except SystemExit:  # told twice to stop
        waits = False
        raise
    finally:
        os.close(users)  # not unlocked: a worker forked from us may go on using it
        if waits:
            _leave(folder)


@contextmanager
def _mendable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fault(
            f"{error.filename or folder} cannot be used ({error.strerror}):"
            " choose another --data-dir"
        ) from error


def _make_folder(folder: Path) -> None:
    """Create folder, and change nothing that is there already."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    existing = missing[-1].parent if missing else folder
    os.stat(f"{existing}/.")  # fails if it is no directory
    account = supervisor.pick_account(folder / supervisor.CLUSTER)
    if closed := find_closed(existing, account):
        raise Fault(
            f"user {pwd.getpwuid(account['user']).pw_name}, who runs PostgreSQL for"
            f" root, may not enter {closed}: choose another --data-dir"
        )
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        place.chmod(0o755 if account else 0o700)  # whatever the umask


def _register(folder: Path) -> int:
    """Return the descriptor that marks us as a user, once no stop is under way."""
    users = open_lock(folder / supervisor.USERS)
    until = time.monotonic() + START_SECONDS
    while not take_lock(users, fcntl.LOCK_SH):
        if time.monotonic() > until:
            os.close(users)
            raise Fault(
                f"the PostgreSQL in {folder} does not finish stopping:"
                f" see {folder / supervisor.LOG}, or choose another --data-dir"
            )
        time.sleep(POLL_SECONDS)
    return users


def _join(folder: Path, settings: Mapping[str, str]) -> str:
    """Return the URL once the server answers; start a supervisor if none lives."""
    begun, started = time.monotonic(), False
    while True:
        lock = open_lock(folder / supervisor.SUPERVISOR)
        try:
            if take_lock(lock, fcntl.LOCK_EX):
                if started:
                    raise _not_started(folder)
                started = True
                start_supervisor(folder, lock, prepare_server(folder, settings))
        finally:
            os.close(lock)
        try:
            url = (folder / supervisor.URL).read_text()
            psycopg2.connect(url, connect_timeout=5).close()
        except (FileNotFoundError, psycopg2.OperationalError) as error:
            said = str(error)
        else:
            return url
        if "shutting down" in said:  # until its last client goes, which may be never
            supervisor.Server(folder / supervisor.CLUSTER, []).signal(signal.SIGINT)
        limit = RECOVERY_SECONDS if "starting up" in said else START_SECONDS
        if time.monotonic() - begun > limit:
            raise _not_started(folder)
        time.sleep(POLL_SECONDS)


def _not_started(folder: Path) -> Fault:
    log = folder / supervisor.LOG
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    fatal = [line for line in lines if re.search("FATAL|PANIC", line)]
    reason = (fatal or lines or ["it said nothing"])[-1]
    return Fault(f"PostgreSQL did not start ({reason}): fix that, or see {log}")


def start_supervisor(folder: Path, lock: int, command: list[str]) -> None:
    """Start a supervisor that inherits the lock, in a session of its own.

    So Ctrl-C in the terminal does not reach it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
    log = os.open(folder / supervisor.LOG, flags, 0o600)
    try:
        subprocess.run(
            [sys.executable, "-I", supervisor.__file__, folder, str(lock), *command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=[lock],
            start_new_session=True,
        )
    finally:
        os.close(log)


def _leave(folder: Path) -> None:
    """Return when the server has stopped, or others use it, or it takes too long."""
    until = (_told or time.monotonic()) + STOP_SECONDS
    while not _has_left(folder) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)


def _has_left(folder: Path) -> bool:
    """Report whether the server has stopped or others use it."""
    names = supervisor.SUPERVISOR, supervisor.USERS
    try:
        lock, users = (open_lock(folder / name) for name in names)
    except FileNotFoundError:  # somebody has deleted the folder
        return True
    try:
        if take_lock(lock, fcntl.LOCK_EX):
            if supervisor.find_postmaster(folder / supervisor.CLUSTER) is None:
                return True
            start_supervisor(folder, lock, [])  # to stop what a killed one left
            return False
        if take_lock(users, fcntl.LOCK_EX):
            return False  # the supervisor is about to notice that nobody is left
        return take_lock(users, fcntl.LOCK_SH)  # not while it stops the server
    finally:
        os.close(users)
        os.close(lock)
