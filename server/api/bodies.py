"""Read what a request brings, and refuse what is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import ERROR_HEADERS, render_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BODY_MAX = 16_384  # bytes


class Refused(Exception):
    """What is not done: a status and one sentence."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(status, sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


def refuse(status: int, sentence: str, headers: Mapping[str, str] = {}) -> web.Response:
    """Return an error as its answer."""
    body = render_error(sentence)
    return web.Response(status=status, body=body, headers={**ERROR_HEADERS, **headers})


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
