"""The clients of one process: how many there may be, and who has to go."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aiohttp import web

from server.admin.token import widen_address
from server.api.errors import Refused
from server.serving.throttle import Throttle
from server.telemetry.proxies import is_trusted, parse_address

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from server.telemetry.metrics import Metrics
    from server.telemetry.proxies import Networks

SWEEP_SECONDS = 1.0
SWEEPS = 5  # until each connection was looked at
HELD_BYTES_MAX = 24 << 20  # of what all clients sent and no parser has had
LITTLE_BYTES = 4 * 1024  # of which a client may hold so many whatever others do

ALWAYS = {b"/healthz", b"/readyz", b"/metrics"}  # answered however busy we are
RETRY_SECONDS = 1

CROWDED = "The server has too many connections: try again in a moment."
BUSY = "The server is answering too many requests: try again in a moment."

_log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What clients may do; the defaults are those of the settings."""

    head_seconds: float = 30  # for all of a head, and before a body must flow
    body_rate: int = 500  # bytes a second
    stall_seconds: float = 120  # without a byte taken
    keepalive_seconds: float = 960  # between requests
    clients: int = 10_000  # of a process
    clients_per_address: int = 1_000
    requests: int = 2_000  # being answered at a time


LIMITS = Limits()


def pick_limits(options: argparse.Namespace, workers: int) -> Limits:
    """Return a worker's limits, as the settings have them."""
    limits = Limits(**{name: getattr(options, name) for name in Limits._fields})
    return limits._replace(
        clients=max(limits.clients // workers, 1),
        requests=max(limits.requests // workers, 1),
    )


class Client(Protocol):
    """A connection, as it is looked at."""

    def look(self, now: float) -> None:
        """Close it if it is overdue; now is by monotonic."""


class Clients:
    """The open connections, counted by address."""

    def __init__(self, limits: Limits, trusted: Networks, metrics: Metrics) -> None:
        """Take networks of proxies, each of which stands for many clients."""
        self.limits = limits
        self._metrics = metrics
        self.requests = 0  # being answered
        self.held_bytes = 0  # of what no parser has had
        self._trusted = trusted
        self._open: dict[Client, str] = {}
        self._addresses: Counter[str] = Counter()
        self._unseen: list[Client] = []
        self._refusals = Throttle()

    def admit(self, client: Client, peer: object) -> Refused | None:
        """Count a client in, or return what to tell it."""
        if len(self._open) >= self.limits.clients:
            return self._refuse("crowd", CROWDED)
        address = self._name(peer)
        if address:
            if self._addresses[address] >= self.limits.clients_per_address:
                return self._refuse("address", CROWDED)
            self._addresses[address] += 1
        self._open[client] = address
        return None

    def _refuse(self, reason: str, sentence: str) -> Refused:
        self._metrics.note_closed(reason)
        return Refused(503, sentence, {"Retry-After": str(RETRY_SECONDS)})

    @property
    def is_busy(self) -> bool:
        """Report whether as many requests are being answered as may be."""
        return self.requests >= self.limits.requests

    def check_busy(self, target: bytes) -> None:
        """Raise Refused if another request may not be begun."""
        if self.is_busy and target.partition(b"?")[0] not in ALWAYS:
            raise self._refuse("requests", BUSY)

    def hold(self, before: int, now: int) -> None:
        """Note how much a client makes us hold; raise Refused if all hold too much."""
        self.held_bytes += now - before
        if self.held_bytes > HELD_BYTES_MAX and now > max(before, LITTLE_BYTES):
            raise self._refuse("memory", CROWDED)

    def delay_refusal(self, client: Client) -> float:
        """Return how many seconds to wait before what a client did is refused.

        All who have no limit by address count as one here.
        """
        delay = self._refusals.delay(self._open.get(client, ""), monotonic())
        if delay:
            self._metrics.note_delayed()
        return delay

    def leave(self, client: Client) -> None:
        """Count a client out, if it was counted in."""
        address = self._open.pop(client, "")
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _name(self, peer: object) -> str:
        """Return the address that a limit holds for; none for proxies and ourselves."""
        if not isinstance(peer, tuple):  # a unix socket
            return ""
        address = parse_address(str(peer[0]).partition("%")[0])
        if address is None or address.is_loopback:
            return ""
        name = str(address)
        return "" if is_trusted(name, self._trusted) else widen_address(name)

    def sweep(self) -> None:
        """Look at some of the connections; after SWEEPS times at each."""
        if not self._unseen:
            self._unseen = list(self._open)
        count = max(-(-len(self._open) // SWEEPS), 100)
        seen, self._unseen = self._unseen[:count], self._unseen[count:]
        now = monotonic()
        self._refusals.forget(now)
        for client in seen:
            try:
                client.look(now)
            except Exception:
                _log.exception("A connection could not be looked at")


CLIENTS: web.AppKey[Clients] = web.AppKey("clients")


async def keep_sweeping(app: web.Application) -> AsyncIterator[None]:
    """Look at the connections as long as the application runs."""
    clients = app[CLIENTS]
    limits = clients.limits
    shortest = min(limits.head_seconds, limits.stall_seconds, limits.keepalive_seconds)
    pause = min(SWEEP_SECONDS, max(shortest / 10, 0.05))

    async def repeat() -> None:
        while True:
            with suppress(MemoryError):  # which must not end it
                await asyncio.sleep(pause)
                clients.sweep()

    task = asyncio.create_task(repeat())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
