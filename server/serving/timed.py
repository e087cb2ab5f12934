"""A connection that is closed when its client is too slow, or idle for too long.

It is looked at every few seconds, so nothing is timed request by request.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from server.api.errors import Refused
from server.serving.bounded import LINGER_SECONDS, BoundedConnection
from server.serving.unsent import Progress, count_unsent

if TYPE_CHECKING:
    from aiohttp import web

    from server.serving.clients import Clients
    from server.telemetry.metrics import Metrics

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: wait for nothing (socket(7))
SLOW = "The request came too slowly: send it again."


class TimedConnection(BoundedConnection):
    """Has limits of time for a head, a body, a download and for doing nothing."""

    __slots__ = ("_drained", "_progress")

    def __init__(self, server: web.Server, clients: Clients, metrics: Metrics) -> None:
        """Take who has the limits, and what counts the closed."""
        super().__init__(server, clients, metrics)
        self._progress = Progress()
        self._drained = -1.0  # what _active was when all that was sent had been taken

    def resume_writing(self) -> None:
        """Note that the kernel has taken all."""
        super().resume_writing()
        self._progress.reset()

    def look(self, now: float) -> None:
        """Close it if it is overdue; now is by monotonic."""
        reason = "" if self._dropping else self._find_overdue(now)
        if not reason:
            return
        self._metrics.note_closed(reason)
        if reason == "body":
            self._refuse(Refused(408, SLOW))
            self._loop.call_later(2 * LINGER_SECONDS, self._abort)
        elif reason == "head" and self._intake.held:
            self._refuse(Refused(408, SLOW))
        elif reason == "stalled":
            self._reset()
        else:
            self.force_close()

    def _reset(self) -> None:
        """Cut it, and have the kernel forget what it could not send yet.

        It would keep that for minutes, and the client would see no end.
        """
        if self.transport is not None:
            wire = self.transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._abort()

    def _find_overdue(self, now: float) -> str:
        """Return why the client has had its time, as note_closed names it."""
        limits = self._clients.limits
        if self.writing_paused:
            return "stalled" if self._stands_still(now) else ""
        if self._busy:
            return "body" if self._body_is_slow(now) else ""
        if self._intake.held or not self._active:
            since = self._intake.since or self._opened
            return "head" if now - since > limits.head_seconds else ""
        if self._stands_still(now):
            return "stalled"
        return "idle" if now - self._active > limits.keepalive_seconds else ""

    def _stands_still(self, now: float) -> bool:
        """Report whether the client has taken nothing of what was sent for too long."""
        if self.transport is None or self._drained == self._active:
            return False
        unsent = count_unsent(self.transport)
        if not unsent and not self._busy:
            self._drained = self._active  # nothing to look at until the next request
        stood = min(self._progress.measure(unsent, now), now - self._active)
        return stood > self._clients.limits.stall_seconds

    def _body_is_slow(self, now: float) -> bool:
        body, limits = self._intake.body, self._clients.limits
        if body is None or self.transport is None:
            return False
        if not self.transport.is_reading():  # it is us who are slow
            body.since = now - body.received / limits.body_rate
            return False
        due = body.since + limits.head_seconds + body.received / limits.body_rate
        return now > due
