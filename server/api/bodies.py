"""Read what a request brings: its query, its body, and the JSON in that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server.api.errors import Refused
from server.api.fields import parse_fields
from server.api.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.api.fields import FieldType

BODY_MAX = 16_384  # bytes


async def read_body(
    request: web.Request,
    most: int = BODY_MAX,
    kinds: Sequence[str] = ("application/json",),
) -> bytes:
    """Return a body of at most most bytes and one of the types in kinds; raise Refused.

    415 is for another type or charset than UTF-8, 413 for a body that is too long, 408
    for one that comes too slowly, 400 for one that breaks off.
    """
    if (
        request.content_type not in kinds
        or (request.charset or "utf-8").lower() != "utf-8"
    ):
        raise Refused(415, f"Send it as {' or '.join(kinds)} in UTF-8.")
    if (request.content_length or 0) > most:
        raise Refused(413, f"The body may have at most {most} bytes.")
    try:
        return await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, f"The body may have at most {most} bytes.") from None
    except TimeoutError:
        raise Refused(408, "The body came too slowly: send it again.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused(400, "The body broke off or isn't packed as it says.") from None


def parse_query(request: web.Request, **types: FieldType) -> dict[str, Any]:
    """Return the fields of the query; raise Fault."""
    return parse_fields(request.query.items(), types)


async def read_json(request: web.Request, **types: FieldType) -> dict[str, Any]:
    """Return the fields of the JSON object in the body; raise Refused or Fault."""
    return parse_fields(parse_object(await read_body(request)), types)
