"""POST of how far clips were watched: counted here, written a moment later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server.api.fields import (
    choice,
    list_of,
    object_of,
    parse_fields,
    required,
    whole_number,
)
from server.api.strict_json import parse_object
from server.practice.beacon import take_beacon
from server.practice.view_counts import REACHED, TALLY, list_rows

if TYPE_CHECKING:
    from aiohttp import web

    from server.practice.tally import Key
    from server.practice.view_counts import View

BODY_MAX = 4096  # bytes
VIEWS_MAX = 50
_VIEW = {"video_id": required(whole_number()), "reached": required(choice(*REACHED))}
_FIELDS = {"views": required(list_of(object_of(_VIEW, ignore_unknown=True), VIEWS_MAX))}


async def post_views(request: web.Request) -> web.Response:
    """Count views of videos that exist; the answer does not wait for the database.

    A 503 where they could not be kept until it takes them.
    """

    def read(body: bytes) -> list[tuple[Key, list[int]]]:
        return list_rows(parse_views(body), datetime.now(UTC).date())

    return await take_beacon(request, BODY_MAX, read, request.app[TALLY])


def parse_views(body: bytes) -> list[View]:
    """Return what was watched; raise Fault. Fields that are not known are ignored."""
    found = parse_fields(parse_object(body), _FIELDS, ignore_unknown=True)
    return [(view["video_id"], view["reached"]) for view in found["views"]]
