"""What pages report with sendBeacon: counted here, written a moment later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.api.bodies import read_body
from server.api.errors import Refused, build_error_response
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from server.practice.tally import Key, Tally

# What sendBeacon sends is text, or a page of another origin would need a preflight.
_KINDS = ("application/json", "text/plain")


async def take_beacon(
    request: web.Request,
    most: int,
    read: Callable[[bytes], Iterable[tuple[Key, Sequence[int]]]],
    tally: Tally,
) -> web.Response:
    """Count what a body of at most so many bytes tells; do not wait for the database.

    read returns its rows or raises Fault. A 503 where they could not be kept until the
    database takes them.
    """
    try:
        rows = read(await read_body(request, most, _KINDS))
    except Fault as fault:
        return build_error_response(400, str(fault))
    except Refused as refused:
        return build_error_response(refused.status, refused.sentence)
    if not tally.add(rows):
        sentence = (
            f"Too many {tally.kind.what} wait for the database already; "
            "try again in a minute."
        )
        return build_error_response(503, sentence, {"Retry-After": "60"})
    return web.Response(status=204, headers={"Cache-Control": "no-store"})
