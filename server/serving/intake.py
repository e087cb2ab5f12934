"""What a client has sent and no parser has had yet, in bounded memory. No I/O."""

from __future__ import annotations

import re

from server.api.errors import Refused
from server.serving.framing import BODY_BYTES, TOO_LONG, Chunked, Sized
from server.serving.heads import Head, find_end, read_head

HELD_BYTES = 64 * 1024  # of requests that wait until the one before is answered
# Of requests whose bodies have a limit of their own: uploads, and captions.
LARGE_PATH = re.compile(
    rb"/v3/admin/(?:uploads|videos/[0-9]{1,10}/captions/[A-Za-z0-9-]{1,35})"
)

EARLY = "Wait for the answer before you send more requests than fit into 64 KiB."


class Intake:
    """Cuts what comes into heads and bodies, each to be taken in its turn."""

    __slots__ = ("_searched", "body", "held", "since")

    def __init__(self) -> None:
        self.held = b""  # a part of a head, or requests that wait
        self.since = 0.0  # when that part of a head began, by monotonic, or 0
        self.body: Sized | Chunked | None = None  # of which more is to come
        self._searched = 0  # bytes of held in which no head ends

    def add(self, data: bytes) -> None:
        """Take what has come."""
        self.held = self.held + data if self.held else data

    def drain(self) -> bytes:
        """Return all that is held, and hold it no more."""
        data, self.held, self._searched = self.held, b"", 0
        return data

    def check_waiting(self) -> None:
        """Raise Refused if too much waits for an answer to end."""
        if len(self.held) > HELD_BYTES:
            raise Refused(400, EARLY)

    def take_head(self, now: float) -> Head | None:
        """Return the next request's head if all of it is here; raise Refused."""
        end = find_end(self.held, self._searched)
        if end < 0:
            self.since = self.since or now
            self._searched = len(self.held)
            return None
        head = read_head(self.held[:end])
        self.held = self.held[end:]
        self._searched = 0
        self.since = 0.0
        self._expect(head, now)
        return head

    def _expect(self, head: Head, now: float) -> None:
        """Await the body behind a head; raise Refused if it is too long."""
        large = LARGE_PATH.fullmatch(head.target.partition(b"?")[0])
        if head.length is None:
            self.body = Chunked(None if large else BODY_BYTES, now)
        elif head.length > BODY_BYTES and not large:
            raise Refused(413, TOO_LONG)
        elif head.length:
            self.body = Sized(head.length, now)

    def take_body(self) -> bytes:
        """Return what is here of the body; raise Refused where it can't be one."""
        assert self.body is not None
        count = self.body.take(self.held)
        piece, self.held = self.held[:count], self.held[count:]
        if self.body.ended:
            self.body = None
        return piece

    def ends_soon(self) -> bool:
        """Report whether little of a body is to come, so that it may be waited for."""
        left = 0 if self.body is None else self.body.left
        return left is not None and left <= BODY_BYTES
