"""Where log lines go: a standard stream, or a file that may be moved away."""

from __future__ import annotations

import os
import select
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from server.errors import Fault

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = -1  # a descriptor that was closed when the command started
_FILE_BYTES = 64 * 1024  # of one write
_WRITE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_NO_WAIT = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC


class Stream:
    """A descriptor that others may have too, so its flags are not ours to change."""

    def __init__(self, descriptor: int, name: str) -> None:
        """Take an open descriptor, or CLOSED, and what people call it."""
        self.name = name
        self._descriptor = descriptor
        self.write_bytes = _find_write_bytes(descriptor)
        self._private = CLOSED  # the same pipe or terminal, but never waiting

    def open(self) -> None:
        """Do nothing: it is open."""

    def refresh(self, *, asked: bool) -> None:
        """Do nothing: a stream has no path."""

    def write(self, data: bytes | memoryview) -> int:
        """Write, waiting if the descriptor waits; return how many bytes."""
        return os.write(self._descriptor, data)

    def write_now(self, data: bytes) -> int:
        """Write what goes without waiting; BlockingIOError if nothing does."""
        if self._private == CLOSED:
            with suppress(OSError):  # a socket, or another user's
                self._private = os.open(f"/proc/self/fd/{self._descriptor}", _NO_WAIT)
        if not self.has_room(0):
            raise BlockingIOError
        if self._private == CLOSED or self.write_bytes > select.PIPE_BUF:
            return os.write(self._descriptor, data)  # a file has an offset to share
        return os.write(self._private, data)

    def has_room(self, seconds: float) -> bool:
        """Report whether it takes some bytes within so many seconds, or an error."""
        return _has_room(self._descriptor, seconds)


class LogFile:
    """A file by its path, opened by each process that writes it."""

    def __init__(self, path: Path) -> None:
        """Raise Fault for a path that cannot be written."""
        self.name = str(path)
        self.path = path
        self.write_bytes = _FILE_BYTES
        self._descriptor = CLOSED
        try:
            self.open()
        except OSError as error:
            raise Fault(
                f"cannot write the access log {path} ({error.strerror})",
                "choose another --access-log-file",
            ) from error
        os.close(self._descriptor)  # a process that only starts others keeps no file
        self._descriptor = CLOSED

    def open(self) -> None:
        """Open the file at the path, created if need be, instead of the last one."""
        # A pipe that nobody reads would have us wait for a reader.
        descriptor = os.open(self.path, _WRITE | os.O_NONBLOCK, 0o640)
        last, self._descriptor = self._descriptor, descriptor
        self.write_bytes = _find_write_bytes(descriptor)
        if last != CLOSED:
            os.close(last)

    def refresh(self, *, asked: bool) -> None:
        """Open the path again if asked, or if another file or none is there now."""
        if asked or not self._is_there():
            self.open()

    def _is_there(self) -> bool:
        try:
            here = os.stat(self.path)
        except OSError:
            return False
        return self._descriptor != CLOSED and os.path.samestat(
            here, os.fstat(self._descriptor)
        )

    def write(self, data: bytes | memoryview) -> int:
        """Write; return how many bytes, BlockingIOError if a pipe takes none."""
        return os.write(self._descriptor, data)

    def write_now(self, data: bytes) -> int:
        """Write as write does, which never waits."""
        self.refresh(asked=False)
        return self.write(data)

    def has_room(self, seconds: float) -> bool:
        """Report whether it takes some bytes within so many seconds, or an error."""
        return _has_room(self._descriptor, seconds)


def _find_write_bytes(descriptor: int) -> int:
    """Return how much to write at a time.

    To a pipe only so much that lines of several processes cannot mix: pipe(7).
    """
    with suppress(OSError):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _FILE_BYTES
    return select.PIPE_BUF


def _has_room(descriptor: int, seconds: float) -> bool:
    if descriptor == CLOSED:
        return True  # writing says what is wrong
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def occupy_closed_streams() -> None:
    """Open /dev/null in place of closed standard streams.

    Otherwise the next socket or file would become the standard output of whatever
    prints. sys.stdin, stdout and stderr stay None.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:  # another thread was faster
                os.dup2(null, descriptor)
                os.close(null)
