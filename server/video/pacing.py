"""Send to players no faster than they play, by a multiple of a clip's own bitrate.

A player abandons most answers half-way and requests a later part; what it skips was
sent for nothing. After an initial burst, a session gets a fixed number of bytes per
second for all of its answers together.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.postgres.pool import DatabaseAway
from server.postgres.queries import queries
from server.video.sessions import SESSION, name_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Video
    from server.postgres.pool import Database

BURST_SECONDS = 4.0  # of playback, sent at once when a session begins or was idle
BITRATE_MIN = 1000  # bytes a second; a clip of less has another length than noted
SESSIONS_MAX = 10_000
VIDEOS_MAX = 10_000


class Bucket:
    """Bytes that a session may have now; it fills at a rate up to its burst."""

    def __init__(self, rate: float, now: float) -> None:
        """Begin full; rate is bytes a second."""
        self.rate = rate
        self._level = rate * BURST_SECONDS
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take bytes that were sent; return for how many seconds to send nothing."""
        filled = self._level + (now - self._at) * self.rate
        self._level = min(filled, self.rate * BURST_SECONDS) - count
        self._at = now
        return max(-self._level / self.rate, 0.0)


class Pace(NamedTuple):
    """The pace of one answer."""

    bucket: Bucket

    async def hold(self, count: int) -> None:
        """Count bytes that were sent, and wait as long as the rate demands."""
        wait = self.bucket.take(count, asyncio.get_running_loop().time())
        if wait:
            await asyncio.sleep(wait)


class Pacer:
    """Knows who is paced, and how fast."""

    def __init__(self, multiple: float, whom: str = SESSION) -> None:
        """Take a multiple of the bitrate, 0 for none; whom is SESSION or a pattern.

        A pattern is a regular expression found in User-Agent.
        """
        self.multiple = multiple
        self._agent = None if whom == SESSION else re.compile(whom)
        self._buckets: OrderedDict[tuple[str, int], Bucket] = OrderedDict()
        self._rates: OrderedDict[Video, float] = OrderedDict()

    def name_session(self, headers: Mapping[str, str], client: str) -> str | None:
        """Return the key of a player's session; None if it is not paced."""
        return name_session(headers, client, self._agent) if self.multiple else None

    async def find(
        self, request: web.Request, video: Video, database: Database
    ) -> Pace | None:
        """Return the pace of a request, if it has one."""
        session = self.name_session(request.headers, request.remote or "")
        if session is None:
            return None
        rate = await self._find_rate(video, database)
        if not rate:
            return None
        key = (session[:64], video.id)
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            bucket = Bucket(rate, asyncio.get_running_loop().time())
        self._buckets[key] = bucket
        if len(self._buckets) > SESSIONS_MAX:
            self._buckets.popitem(last=False)
        return Pace(bucket)

    async def _find_rate(self, video: Video, database: Database) -> float:
        """Return bytes a second, 0 if the video's length is unknown."""
        if video not in self._rates:
            try:
                rows = await database.fetch(queries()["find_length"], {"id": video.id})
            except DatabaseAway:
                return 0.0
            seconds = rows[0][0] if rows else None
            bitrate = video.size / seconds if seconds else 0
            self._rates[video] = self.multiple * bitrate * (bitrate >= BITRATE_MIN)
            if len(self._rates) > VIDEOS_MAX:
                self._rates.popitem(last=False)
        return self._rates[video]


PACER: web.AppKey[Pacer] = web.AppKey("pacer")
