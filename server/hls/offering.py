"""Which videos are long enough that they are better played as HLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.hls.files import MASTER
from server.postgres.queries import queries
from server.video.handler import ID_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.postgres.pool import Database

HLS_SECONDS = web.AppKey("hls_seconds", int)
"""Longer videos are offered as HLS; 0 means none."""


async def list_offered(
    database: Database, ids: Iterable[int], seconds: int
) -> dict[int, str]:
    """Return {video: URL of its master playlist} of those that are longer.

    Whether a video qualifies for HLS shows only when its playlist is asked for.
    """
    asked = sorted({video for video in ids if 0 < video <= ID_MAX})
    if not asked or seconds == 0:
        return {}
    values = {"ids": asked, "seconds": seconds}
    rows = await database.fetch(queries()["list_longer"], values)
    return {video: f"/v3/videos/{video}/{MASTER}" for (video,) in rows}
