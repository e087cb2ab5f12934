"""Keep an encoding while it is made, and end that once it is not ours any more."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.library.levels.queue import LEASE_SECONDS, renew
from server.postgres.plain import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection

    from server.library.levels.queue import Claim

RENEW_SECONDS = 2.0
# Others may take it when the lease ends; by then we have stopped.
_SAFE_SECONDS = LEASE_SECONDS * 0.7


class Lease:
    """What a thread knows of an encoding, and what it has to tell."""

    def __init__(self, url: str, claim: Claim, stop: Callable[[], object]) -> None:
        """Call stop once the encoding is not ours, or may not be soon."""
        self.progress = 0.0
        self.is_lost = False
        self._url, self._claim, self._stop = url, claim, stop
        self._safe_until = monotonic() + _SAFE_SECONDS
        self._connection: Connection | None = None
        self._over = Event()

    def keep(self) -> None:
        """Renew it until it is over; a database that is away may come back."""
        while not self._over.wait(RENEW_SECONDS):
            if not self._renew():
                self.is_lost = True
                self._stop()
                break
        self._close()

    def end(self) -> None:
        """Have the thread end."""
        self._over.set()

    def _renew(self) -> bool:
        try:
            if self._connection is None:
                self._connection = connect(self._url)
            is_ours = renew(self._connection, self._claim, self.progress)
        except (psycopg2.Error, Fault):
            self._close()
            return monotonic() < self._safe_until
        self._safe_until = monotonic() + _SAFE_SECONDS
        return is_ours

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg2.Error), closing(self._connection):
                self._connection = None


@contextmanager
def keeping(url: str, claim: Claim, stop: Callable[[], object]) -> Iterator[Lease]:
    """Yield the lease of an encoding, which is renewed meanwhile."""
    lease = Lease(url, claim, stop)
    thread = Thread(target=lease.keep, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        lease.end()
        thread.join()
