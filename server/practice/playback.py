"""POST of how clips played: counted here, written a moment later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server.api.fields import (
    choice,
    list_of,
    nullable,
    object_of,
    parse_fields,
    required,
    text,
    whole_number,
)
from server.api.strict_json import parse_object
from server.practice.beacon import take_beacon
from server.practice.play_counts import ERRORS, PLAYBACK, Play, list_rows

if TYPE_CHECKING:
    from aiohttp import web

    from server.api.fields import FieldType
    from server.practice.tally import Key

BODY_MAX = 16_384  # bytes
PLAYS_MAX = 50
LEVEL_MAX = 10_000  # pixels
WAIT_MAX_MS = 600_000  # ten minutes
WATCHED_MAX_MS = 86_400_000  # a day
STALLS_MAX = 1_000
RATE_MAX = 10_000_000  # kbit/s


def _count(greatest: int) -> FieldType:
    return whole_number(greatest, least=0)


_PLAY = {
    "video_id": required(whole_number()),
    "level": nullable(whole_number(LEVEL_MAX)),
    "first_frame_ms": nullable(_count(WAIT_MAX_MS)),
    "stalls": _count(STALLS_MAX),
    "stalled_ms": _count(WATCHED_MAX_MS),
    "watched_ms": _count(WATCHED_MAX_MS),
    "kbit_per_s": nullable(_count(RATE_MAX)),
    "network": nullable(text(20)),
    "error": nullable(choice(*ERRORS)),
}
_FIELDS = {"plays": required(list_of(object_of(_PLAY, ignore_unknown=True), PLAYS_MAX))}


async def post_playback(request: web.Request) -> web.Response:
    """Count how videos that exist played; the answer does not wait for the database.

    A 503 where that could not be kept until it takes it.
    """

    def read(body: bytes) -> list[tuple[Key, list[int]]]:
        return list_rows(parse_plays(body), datetime.now(UTC).date())

    return await take_beacon(request, BODY_MAX, read, request.app[PLAYBACK])


def parse_plays(body: bytes) -> list[Play]:
    """Return what was told; raise Fault. Fields that are not known are ignored."""
    found = parse_fields(parse_object(body), _FIELDS, ignore_unknown=True)
    return [Play(**play) for play in found["plays"]]
