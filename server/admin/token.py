"""Who may: the token, compared in constant time, and a limit to guessing it."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import OrderedDict, deque
from functools import wraps
from ipaddress import IPv6Address
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.errors import Refused, build_error_response
from server.api.troubles import TROUBLES, explain_trouble
from server.errors import Fault
from server.telemetry.access_log import ACCESS_LOG
from server.telemetry.proxies import parse_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FAILURES_MAX = 5  # from an address
ALL_FAILURES_MAX = 100  # from all together
WINDOW_SECONDS = 60.0
ADDRESSES_MAX = 1000  # remembered; the one that failed longest ago is forgotten first

LOCKED_SECONDS = 0.5  # until one that is not heard is told so; who guesses must wait

UNSET = (
    "No admin token is set: start the server with BYTEREEL_ADMIN_TOKEN, or "
    "--admin-token, of at least 16 characters."
)
WRONG = "Send the admin token as Authorization: Bearer and the token."

_log = logging.getLogger(__name__)


class Failures:
    """When wrong tokens came last, by address, in bounded memory."""

    def __init__(self) -> None:
        self._lately: deque[float] = deque(maxlen=ALL_FAILURES_MAX)
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        """Remember one more, in seconds of any clock that never goes back."""
        self._lately.append(now)
        times = self._by_address.setdefault(address, deque(maxlen=FAILURES_MAX))
        times.append(now)
        self._by_address.move_to_end(address)
        if len(self._by_address) > ADDRESSES_MAX:
            self._by_address.popitem(last=False)

    def measure_wait(self, address: str, now: float) -> float:
        """Return for how many seconds an address is not heard; 0 if it is."""
        times = self._by_address.get(address)
        if times is None or times[-1] + WINDOW_SECONDS <= now:
            return 0.0  # who has not failed is heard, whatever others do
        ends = [
            each[0] + WINDOW_SECONDS
            for each in (times, self._lately)
            if len(each) == each.maxlen
        ]
        return max([0.0, *(end - now for end in ends)])


class Access:
    """The token, and who failed to give it."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._failures = Failures()

    @property
    def is_set(self) -> bool:
        """Report whether there is a token at all."""
        return bool(self._token)

    def check(self, given: list[str], address: str, now: float) -> None:
        """Take the Authorization headers of a request; raise Refused."""
        if not self.is_set:
            raise Refused(403, UNSET)
        wait = self._failures.measure_wait(address, now)
        if wait:
            raise Refused(
                429,
                "Too many wrong tokens: wait a minute, then try again.",
                {"Retry-After": str(ceil(wait))},
            )
        if len(given) != 1 or not hmac.compare_digest(
            parse_bearer(given[0]), self._token
        ):
            if given:  # without a token nothing was guessed
                self._failures.note(address, now)
                _log.warning("wrong admin token from %s", address)
            raise Refused(401, WRONG, {"WWW-Authenticate": "Bearer"})


ACCESS: web.AppKey[Access] = web.AppKey("access")


def parse_bearer(header: str) -> bytes:
    """Return the token of an Authorization header (RFC 6750, 2.1), or nothing."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return b""
    return token.strip().encode(errors="surrogateescape")  # as it was on the wire


def client_address(request: web.Request) -> str:
    """Return who asks, as failures are counted."""
    peer = request.transport and request.transport.get_extra_info("peername")
    return widen_address(request.app[ACCESS_LOG].find_client(peer, request.headers))


def widen_address(client: str) -> str:
    """Return an address, or of IPv6 its network: who has one address there has 2^64."""
    address = parse_address(client)
    if address is None:  # a socket without addresses
        return client
    if isinstance(address, IPv6Address):
        return address.exploded[:19] + "::/64"
    return str(address)


def guarded(handler: Handler) -> Handler:
    """Let only those with the token through, and give refusals their one shape."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            request.app[ACCESS].check(
                request.headers.getall("Authorization", []),
                client_address(request),
                monotonic(),
            )
            return await handler(request)
        except Refused as refused:
            if refused.status == 429:
                await asyncio.sleep(LOCKED_SECONDS)
            if refused.status == 507:
                _log.error("%s", refused.sentence)
            cause = refused.__cause__
            if cause is not None and explain_trouble(cause) == refused.sentence:
                request.app[TROUBLES].note(refused.sentence, request, cause)
            return build_error_response(
                refused.status, refused.sentence, refused.headers
            )
        except Fault as fault:
            return build_error_response(400, str(fault))

    return answer
