"""Views as numbers of a video and day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.practice.tally import Kind, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from server.practice.tally import Counts, Key

    View = tuple[int, str]  # a video, and which of REACHED

REACHED = ("started", "quarter", "half", "completed")


def list_rows(views: Iterable[View], day: date) -> list[tuple[Key, list[int]]]:
    """Return a row for each view: one number each of REACHED."""
    return [
        ((video_id, day), [int(reached == each) for each in REACHED])
        for video_id, reached in views
    ]


def _list_values(counts: Counts) -> dict[str, object]:
    ids, days = zip(*counts, strict=True)
    columns = zip(*counts.values(), strict=True)
    numbers = dict(zip(REACHED, map(list, columns), strict=True))
    return {"ids": list(ids), "days": list(days), **numbers}


VIEWS = Kind("views", len(REACHED), "save_views", _list_values)
TALLY = web.AppKey("tally", Tally)
