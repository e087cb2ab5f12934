"""How clips played, as numbers of a video, day, level and network."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.practice.tally import Kind, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from server.practice.tally import Counts, Key

NETWORKS = ("slow-2g", "2g", "3g", "4g", "5g", "cellular", "wifi", "ethernet")
OTHER_NETWORK = "other"  # not told, or none of these
ERRORS = ("network", "decode", "unsupported")
COLUMNS = (
    *("plays", "stalls", "stalled_ms", "watched_ms", "first_frame_ms"),
    *("rates", "kbit_per_s", *(f"{error}_errors" for error in ERRORS)),
)
"""Sums; rates is how many plays told their kbit/s. The buckets follow."""
WIDTH = len(COLUMNS) + len(FIRST_FRAME_MS) + 1


class Play(NamedTuple):
    """How a clip played, as it is told."""

    video_id: int  # of the original
    level: int | None = None  # pixels; None for the original
    first_frame_ms: int | None = None  # None if there never was a picture
    stalls: int = 0
    stalled_ms: int = 0
    watched_ms: int = 0
    kbit_per_s: int | None = None
    network: str | None = None
    error: str | None = None  # one of ERRORS


def list_rows(plays: Iterable[Play], day: date) -> list[tuple[Key, list[int]]]:
    """Return a row of WIDTH numbers for each play."""
    return [(_find_key(play, day), _count(play)) for play in plays]


def _find_key(play: Play, day: date) -> Key:
    network = play.network if play.network in NETWORKS else OTHER_NETWORK
    return play.video_id, day, play.level or 0, network


def _count(play: Play) -> list[int]:
    first, rate = play.first_frame_ms, play.kbit_per_s
    buckets = [0] * (len(FIRST_FRAME_MS) + 1)
    if first is not None:
        buckets[bisect_left(FIRST_FRAME_MS, first)] = 1
    return [
        *(1, play.stalls, play.stalled_ms, play.watched_ms, first or 0),
        *(int(rate is not None), rate or 0),
        *(int(play.error == error) for error in ERRORS),
        *buckets,
    ]


def _list_values(counts: Counts) -> dict[str, object]:
    ids, days, levels, networks = map(list, zip(*counts, strict=True))
    rows = list(counts.values())
    sums = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    # PostgreSQL has no lists of lists of which unnest takes the outer one alone.
    buckets = [f"{{{','.join(map(str, row[len(COLUMNS) :]))}}}" for row in rows]
    keys = {"ids": ids, "days": days, "levels": levels, "networks": networks}
    return {**keys, **sums, "first_frames": buckets}


PLAYS = Kind("reports of plays", WIDTH, "save_playback", _list_values)
PLAYBACK = web.AppKey("playback", Tally)
