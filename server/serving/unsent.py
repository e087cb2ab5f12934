"""Whether a client takes what was sent, by what its kernel acknowledged."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from fcntl import ioctl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

SIOCOUTQ = 0x5411  # bytes that a socket has sent and the other end has not: tcp(7)


def count_unsent(transport: asyncio.Transport) -> int:
    """Return the bytes that are written but not acknowledged, as far as is known."""
    count = transport.get_write_buffer_size()
    wire = transport.get_extra_info("socket")
    if wire is not None and sys.platform == "linux":
        with suppress(OSError):
            (queued,) = struct.unpack("i", ioctl(wire.fileno(), SIOCOUTQ, bytes(4)))
            count += queued
    return count


class Progress:
    """How long a client has taken nothing of what is left for it."""

    __slots__ = ("_left", "_since")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew: the client has taken something."""
        self._left = -1
        self._since = 0.0

    def measure(self, left: int, now: float) -> float:
        """Return for how many seconds so many bytes have been left; 0 if none are."""
        if left != self._left:
            self._left, self._since = left, now
        return now - self._since if left else 0.0
