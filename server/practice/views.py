"""POST of how far clips were watched: counted here, written a moment later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.bodies import read_body
from server.api.errors import Refused, build_error_response
from server.api.fields import (
    choice,
    list_of,
    object_of,
    parse_fields,
    required,
    whole_number,
)
from server.api.strict_json import parse_object
from server.errors import Fault
from server.practice.view_counts import REACHED, TALLY, list_rows

if TYPE_CHECKING:
    from server.practice.view_counts import View

BODY_MAX = 4096  # bytes
VIEWS_MAX = 50
# What sendBeacon sends is text, or a page of another origin would need a preflight.
_KINDS = ("application/json", "text/plain")
_VIEW = {"video_id": required(whole_number()), "reached": required(choice(*REACHED))}
_FIELDS = {"views": required(list_of(object_of(_VIEW, ignore_unknown=True), VIEWS_MAX))}

_TOO_MANY = "Too many views wait for the database already; try again in a minute."


async def post_views(request: web.Request) -> web.Response:
    """Count views of videos that exist; the answer does not wait for the database.

    A 503 where they could not be kept until it takes them.
    """
    try:
        views = parse_views(await read_body(request, BODY_MAX, _KINDS))
    except Fault as fault:
        return build_error_response(400, str(fault))
    except Refused as refused:
        return build_error_response(refused.status, refused.sentence)
    rows = list_rows(views, datetime.now(UTC).date())
    if not request.app[TALLY].add(rows):
        return build_error_response(503, _TOO_MANY, {"Retry-After": "60"})
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


def parse_views(body: bytes) -> list[View]:
    """Return what was watched; raise Fault. Fields that are not known are ignored."""
    found = parse_fields(parse_object(body), _FIELDS, ignore_unknown=True)
    return [(view["video_id"], view["reached"]) for view in found["views"]]
