"""POST of how far clips were watched: counted here, written a moment later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.bodies import read_body
from server.api.errors import Refused, build_error_response
from server.api.strict_json import Members, parse_object
from server.errors import Fault
from server.practice.submission import parse_id, read_member
from server.practice.view_counts import REACHED, TALLY

if TYPE_CHECKING:
    from server.practice.view_counts import View

BODY_MAX = 4096  # bytes
VIEWS_MAX = 50
# What sendBeacon sends is text, or a page of another origin would need a preflight.
_KINDS = ("application/json", "text/plain")


async def post_views(request: web.Request) -> web.Response:
    """Count views, of what videos there are; nobody waits for the database."""
    try:
        views = parse_views(await read_body(request, BODY_MAX, _KINDS))
    except Fault as fault:
        return build_error_response(400, str(fault))
    except Refused as refused:
        return build_error_response(refused.status, refused.sentence)
    request.app[TALLY].add(views, datetime.now(UTC).date())
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


def parse_views(body: bytes) -> list[View]:
    """Return what was watched; raise Fault with the path of what is wrong."""
    given = read_member(parse_object(body), "views", _parse_list)
    return [_parse_view(each, f"$.views[{place}]") for place, each in enumerate(given)]


def _parse_list(value: object) -> list[object]:
    if (
        not isinstance(value, list)
        or isinstance(value, Members)
        or len(value) > VIEWS_MAX
    ):
        raise Fault(f"must be a list of at most {VIEWS_MAX} views.")
    return value


def _parse_view(value: object, at: str) -> View:
    if not isinstance(value, Members):
        raise Fault(f"{at}: must be an object.")
    video_id = read_member(value, "video_id", parse_id, at=at)
    return video_id, read_member(value, "reached", _parse_reached, at=at)


def _parse_reached(value: object) -> str:
    if not isinstance(value, str) or value not in REACHED:
        raise Fault(f"must be one of {', '.join(REACHED)}.")
    return value
