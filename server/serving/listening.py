"""The sockets that a process accepts connections from, and how they are closed."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HALF_OPEN_SECONDS = 0.3  # for handshakes that are under way: one round trip
BACKLOG = 1024
SO_ATTACH_FILTER = 26  # socket(7), on Linux
# Drop a packet whose flags, in byte 13 of TCP's header, have SYN; let others pass.
# In BPF: load byte 13, go on unless bit 2 is set, return 0 bytes, return all of it.
_NO_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),
        (0x45, 0, 1, 2),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


class Listening:
    """Listening sockets: those that we bound, or that another process gave us."""

    def __init__(
        self, *sockets: socket.socket, given: bool = False, path: Path | None = None
    ) -> None:
        """Take sockets; path is where the file of a unix socket belongs."""
        self.sockets = sockets
        self.given = given  # whoever gave them goes on listening when we stop
        self._path = path
        self._file = "" if path is None else os.fsdecode(sockets[0].getsockname())
        self._status = os.stat(self._file) if self._file else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def addresses(self) -> list[str]:
        """Return what a person types for each: a URL, or unix: and a path."""
        if self._path is not None:
            return [f"unix:{self._path}"]
        return [show_address(each) for each in self.sockets]

    def publish(self) -> None:
        """Give the file of a unix socket its name, in place of an older one."""
        if self._path is not None and self._file != str(self._path):
            try:
                os.replace(self._file, self._path)
            except OSError as error:
                raise Fault(
                    f"cannot listen on {self._path} ({error.strerror}): "
                    "choose another --socket"
                ) from error
            self._file = str(self._path)

    def stop(self) -> None:
        """Keep new clients out, so that closing the sockets breaks no handshake off.

        A client's kernel tries again a second later; by then another server has the
        port, or the client is refused. What is half-way in comes within
        HALF_OPEN_SECONDS. Without this the kernel resets connections that come between
        the last accept() and close(), even where another server shares the port.
        """
        for listening in () if self.given else self.sockets:
            with suppress(OSError):  # it is closed, or the system has no such filter
                _drop_handshakes(listening)
        file, self._file = self._file, ""  # once: a later file may get the same inode
        with suppress(FileNotFoundError):
            if file and self._status and os.path.samestat(os.stat(file), self._status):
                os.unlink(file)  # unless another server has taken its place

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Stop at the end, whatever happens: no file stays behind."""
        try:
            yield
        finally:
            self.stop()

    def close(self) -> None:
        """Close the sockets in this process."""
        for listening in self.sockets:
            listening.close()


def _drop_handshakes(listening: socket.socket) -> None:
    if listening.family != socket.AF_UNIX:
        program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
        filled = struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(program))
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filled)


def share(listening: Listening, count: int) -> list[Listening]:
    """Return what each of count processes listens on.

    Those who share a TCP port that we bound have a socket each, and the kernel spreads
    connections; on one socket the worker that wakes first would take most (socket(7)).
    """
    first = listening.sockets[0]
    if listening.given or first.family == socket.AF_UNIX:
        copies = [[s.dup() for s in listening.sockets] for _ in range(count - 1)]
        return [listening, *(Listening(*each, given=True) for each in copies)]
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = first.getsockname()[:2]
    return [
        listening,
        *(Listening(open_port(host, port, shared=True)) for _ in range(count - 1)),
    ]


def open_port(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket, which listens already unless others may share the port.

    If it did, connections would wait in its queue before we can answer; OSError.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if opened.family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
        if not shared:
            opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def show_address(listening: socket.socket) -> str:
    """Return what a person types for a socket: a URL, or unix: and a path."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        path = os.fsdecode(name)  # an abstract one begins with NUL, written as @
        return f"unix:{path.replace(chr(0), '@', 1)}"
    host, port = name[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
