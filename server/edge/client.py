"""Send a question as a player would, and keep what came, in bounded memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from server.edge.answers import PART_BYTES, EdgeAnswer, EdgeProbe, join_headers
from server.errors import Fault
from server.library.files import show_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

AGENT = "AppleCoreMedia/1.0.0 (compatible; bytereel)"
HEADER_BYTES = 65_536
READ_BYTES = 65_536
SLOWEST = 50_000
"""Bytes a second; what comes slower than that is not waited for."""

FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""What may come of asking; explain() has words for each."""


def parse_url(text: str) -> URL:
    """Return the URL; Fault if nothing can be asked there."""
    shown = show_text(text)
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise Fault(f"{shown} is not a URL ({error}): write https://…") from None
    if url.scheme not in ("http", "https") or not host or not port:
        raise Fault(
            f"{shown} is not a URL of the web: begin it with https:// or http://"
        )
    return url.with_fragment(None)


def find_proxy(url: URL, given: str | None = None) -> str | None:
    """Return the proxy to take: the one given, or that of the environment."""
    if given:
        return given
    if url.host is None or proxy_bypass(url.host):
        return None
    return getproxies().get(url.scheme)


@asynccontextmanager
async def open_session(
    timeout: float, connections: int = 2
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client that changes nothing of what it gets; timeout is in seconds."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        max_field_size=HEADER_BYTES,
        max_line_size=HEADER_BYTES,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=timeout, sock_read=timeout
        ),
    ) as session:
        yield session


async def ask(
    session: aiohttp.ClientSession,
    url: URL,
    question: EdgeProbe,
    most: int = PART_BYTES,
    keep: Sequence[range] = (),
    proxy: str | None = None,
) -> EdgeAnswer:
    """Return what came: of the body at most most bytes, and the pieces in keep."""
    body = Body(most, keep)
    answer = EdgeAnswer(question)
    patience = (session.timeout.sock_read or 0) + most / SLOWEST
    try:
        async with (
            asyncio.timeout(patience),
            session.request(
                question.method,
                url,
                headers=question.headers,
                allow_redirects=False,
                proxy=find_proxy(url, proxy),
            ) as response,
        ):
            headers = join_headers(
                (name, show_text(value)) for name, value in response.headers.items()
            )
            answer = answer._replace(status=response.status, headers=headers)
            async for data in response.content.iter_chunked(READ_BYTES):
                body.take(data)
                if body.full:
                    response.close()  # the rest would come all the same
                    break
    except FAILURES as error:
        answer = answer._replace(error=explain(error))
    return answer._replace(
        received=body.received,
        body=bytes(body.first),
        digest=body.sha256.hexdigest(),
        parts={span: bytes(part) for span, part in body.parts.items()},
        cut=body.full,
    )


class Body:
    """What is kept of a body while it passes."""

    def __init__(self, most: int, keep: Sequence[range]) -> None:
        self.sha256 = hashlib.sha256()
        self.received = 0
        self.first = bytearray()
        self.parts = {span: bytearray() for span in keep}
        self.full = False  # there was more than most
        self._most = most

    def take(self, data: bytes) -> None:
        """Take the next bytes, of which those beyond most are dropped."""
        self.full = len(data) > self._most - self.received
        data = data[: self._most - self.received]
        for span, part in self.parts.items():
            start, stop = span.start - self.received, span.stop - self.received
            part += data[max(start, 0) : max(stop, 0)]
        self.first += data[: PART_BYTES - len(self.first)]
        self.sha256.update(data)
        self.received += len(data)


def explain(error: BaseException) -> str:
    """Return why an answer did not come, or not whole."""
    for kind, tell in _REASONS:
        if isinstance(error, kind):
            return tell(error)
    return show_text(str(error)) or type(error).__name__


def _tell_certificate(error: BaseException) -> str:
    cause = getattr(error, "certificate_error", error)
    reason = getattr(cause, "verify_message", "") or str(cause)
    return f"the certificate is not valid ({reason})"


def _tell_tls(error: BaseException) -> str:
    cause = getattr(error, "os_error", error)
    return f"TLS failed ({getattr(cause, 'reason', None) or cause})"


def _tell_system(error: BaseException) -> str:
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    return os.strerror(number) if number and number > 0 else str(cause)


def _tell_http(error: BaseException) -> str:
    said = getattr(error, "message", "").partition("\n")[0]
    said = said.partition(": b'")[0].rstrip(":")  # not what it sent, which is long
    return f"that is no HTTP ({show_text(said)})"


_REASONS: tuple[tuple[type[BaseException], Callable[[BaseException], str]], ...] = (
    (asyncio.TimeoutError, lambda error: "nothing more came in time"),
    (aiohttp.ClientConnectorDNSError, lambda error: "the host's name is not known"),
    (aiohttp.ClientConnectorCertificateError, _tell_certificate),
    (aiohttp.ClientSSLError, _tell_tls),
    (ssl.SSLError, _tell_tls),
    (aiohttp.ClientHttpProxyError, lambda error: "the proxy refused"),
    (aiohttp.ClientResponseError, _tell_http),
    (aiohttp.ClientPayloadError, lambda error: "the connection was closed early"),
    (aiohttp.ClientConnectionResetError, lambda error: "the connection was closed"),
    (aiohttp.ServerDisconnectedError, lambda error: "the connection was closed"),
    (OSError, _tell_system),
)
