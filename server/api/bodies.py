"""Read the body of a request, and refuse one that is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.api.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

BODY_MAX = 16_384  # bytes


async def read_body(
    request: web.Request,
    most: int = BODY_MAX,
    kinds: Sequence[str] = ("application/json",),
) -> bytes:
    """Return the body of a request that says it is of one of these; raise Refused."""
    if (
        request.content_type not in kinds
        or (request.charset or "utf-8").lower() != "utf-8"
    ):
        raise Refused(415, f"Send it as {' or '.join(kinds)} in UTF-8.")
    try:
        return await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, f"The body may have at most {most} bytes.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused(400, "The body broke off or isn't packed as it says.") from None
