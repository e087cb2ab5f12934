"""Where PostgreSQL is, and how a session there is opened: directly or by a pooler."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from server.errors import Fault
from server.postgres.plain import PEER_DEFAULTS
from server.postgres.queries import queries
from server.postgres.session import Limits, Session

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULTS = {
    **PEER_DEFAULTS,
    "client_encoding": "UTF8",
    "fallback_application_name": "bytereel",
    "tcp_user_timeout": "5000",  # milliseconds
}
# Poolers refuse options in the start-up message; so does a server too old for them.
_OPTIONS_REFUSED = re.compile("option|parameter")


class Address:
    """A URL, and what every session of it is told."""

    def __init__(self, url: str, statement_seconds: float) -> None:
        """Raise Fault for a URL that can't be read."""
        try:
            self._parameters = _DEFAULTS | extensions.parse_dsn(url)
        except (psycopg2.ProgrammingError, UnicodeError):  # it may hold the password
            raise Fault(
                "cannot read the database URL: write it like "
                "postgresql://user:password@host:5432/name"
            ) from None
        self._statement_seconds = statement_seconds
        self._statement_ms = round(statement_seconds * 1000)
        self.prefix = ""  # of every statement, where options don't arrive

    async def open(self, hear: Callable[[], None]) -> Session:
        """Return a session that is ready; the caller bounds the time.

        hear is called at each sign of life: what is far away needs several.
        """
        session = await self._connect(hear)
        # The backend then keeps freed memory, which pays from its second slice on.
        statement = self.prefix + queries()["retain_memory"]
        try:
            await session.read(statement, {}, Limits(self._statement_seconds))
        except BaseException:
            session.close()
            raise
        session.hear = None
        return session

    async def _connect(self, hear: Callable[[], None]) -> Session:
        parameters = await resolve_host(self._parameters)
        if not self.prefix:
            try:
                return await Session.connect(parameters | self._options(), hear)
            except psycopg2.OperationalError as error:
                if not _OPTIONS_REFUSED.search(str(error)):
                    raise
        session = await Session.connect(parameters, hear)
        self.expect_pooler()
        return session

    def expect_pooler(self) -> None:
        """Put the settings into every statement, and prepare none from now on."""
        self.prefix = f"SET LOCAL statement_timeout = {self._statement_ms};"

    def _options(self) -> dict[str, str]:
        # The second ends the query of a client that has gone. The third plans what is
        # prepared once; PostgreSQL would plan it anew for the first few reads.
        ours = (
            f"-c statement_timeout={self._statement_ms}"
            " -c client_connection_check_interval=1000"
            " -c plan_cache_mode=force_generic_plan"
        )
        return {"options": f"{ours} {self._parameters.get('options', '')}"}


async def resolve_host(parameters: dict[str, str]) -> dict[str, str]:
    """Look up the host's addresses; libpq would stop the event loop for it."""
    host = parameters.get("host", "")
    if not host or host[0] in "/@" or "," in host or "hostaddr" in parameters:
        return parameters
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    return parameters | {
        "host": ",".join([host] * len(addresses)),
        "hostaddr": ",".join(addresses),
    }
