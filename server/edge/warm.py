"""Have an edge keep videos before anybody asks for them.

What it keeps is found out by asking for one byte of each MiB, the slice of nginx and of
Cloudflare's Origin Range Requests, until one was not kept: HEAD makes Cloudflare fetch
the whole, and the first slice alone says nothing of the others. Then all is fetched. So
a run that was stopped goes on where it was, and needs to remember nothing.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from yarl import URL

from server.edge.answers import EdgeProbe
from server.edge.caches import KEPT, read_cache
from server.edge.client import (
    FAILURES,
    READ_BYTES,
    ask,
    explain,
    find_proxy,
    open_session,
)
from server.errors import Fault
from server.library.report import count_noun
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiohttp import ClientSession

SLICE_BYTES = 2**20
MOST_UNREACHED = 10
"""So many in a row without any answer, and the rest would fare the same."""
PAUSES = (0.0, 0.3)
"""Seconds before asking whether it was kept: the edge may still be writing."""


class Clip(NamedTuple):
    """A video of the table."""

    video_id: int
    size: int  # bytes


class Order(NamedTuple):
    """How to fetch; {id} in the URL stands for a video."""

    url: str
    concurrency: int
    mbps: float | None  # megabits a second, all together
    timeout: float  # seconds of silence
    proxy: str | None
    anew: bool  # fetch also what is kept


class Warmed(NamedTuple):
    """What became of a video."""

    video_id: int
    url: str
    before: str | None = None  # HIT, MISS …; "" when the edge does not say
    after: str | None = None
    fetched: int = 0  # bytes
    error: str | None = None
    reached: bool = True

    @property
    def kept(self) -> bool:
        """Report whether the edge has it now."""
        return self.after in KEPT


def list_clips(url: str, days: float | None, most: int | None) -> list[Clip]:
    """Return the videos to fetch: all, those of the last days, or the most viewed."""
    query = "list_to_warm" if most is None else "list_to_warm_by_views"
    with opening(url) as connection, connection.cursor() as cursor:
        rows = read_rows(cursor, query, {"days": days, "count": most})
    return [Clip(**row) for row in rows]


class RateLimit:
    """Makes all who fetch wait, so that together they keep to a rate."""

    def __init__(self, mbps: float | None) -> None:
        self._seconds_a_byte = 8 / (mbps * 1e6) if mbps else 0.0
        self._free = 0.0

    def plan(self, now: float, count: int) -> float:
        """Return for how many seconds to wait after so many bytes more."""
        self._free = max(self._free, now) + count * self._seconds_a_byte
        return self._free - now

    async def spend(self, count: int) -> None:
        """Return when so many bytes more are due."""
        await asyncio.sleep(self.plan(asyncio.get_running_loop().time(), count))


async def warm(
    order: Order, clips: Sequence[Clip], moved: Callable[[int], object]
) -> AsyncIterator[Warmed]:
    """Yield what became of each video; moved is told the bytes that are done with.

    Raises Fault when nothing answers any more.
    """
    pace, left, unreached = RateLimit(order.mbps), iter(clips), 0
    running: set[asyncio.Task[Warmed]] = set()
    async with open_session(order.timeout, order.concurrency) as session:

        def start(clip: Clip) -> asyncio.Task[Warmed]:
            return asyncio.create_task(warm_clip(session, order, clip, pace, moved))

        try:
            running |= {start(clip) for clip in islice(left, order.concurrency)}
            while running:
                done, _ = await asyncio.wait(
                    running, return_when=asyncio.FIRST_COMPLETED
                )
                running -= done
                for task in done:
                    found = task.result()
                    yield found
                    unreached = 0 if found.reached else unreached + 1
                    if unreached == MOST_UNREACHED:
                        raise Fault(_tell_unreached(found))
                running |= {start(clip) for clip in islice(left, len(done))}
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _tell_unreached(last: Warmed) -> str:
    return (
        f"{MOST_UNREACHED} videos in a row got no answer ({last.error}): check that "
        "the edge is up, then run it again, which skips what the edge has"
    )


async def warm_clip(
    session: ClientSession,
    order: Order,
    clip: Clip,
    pace: RateLimit,
    moved: Callable[[int], object],
) -> Warmed:
    """Fetch a video through the edge, unless it is kept there."""
    url = URL(order.url.replace("{id}", str(clip.video_id)))
    warmed, told = Warmed(clip.video_id, str(url)), 0

    def tell(count: int) -> None:
        nonlocal told
        told += count
        moved(count)

    try:
        before = await find_state(session, order, url, range(0, clip.size, SLICE_BYTES))
        warmed = warmed._replace(before=before, after=before)
        if order.anew or not warmed.kept:
            await fetch(session, order, url, clip.size, pace, tell)
            after = await _find_after(session, order, url, clip.size)
            warmed = warmed._replace(after=after, fetched=clip.size)
    except WarmingFailed as refused:
        warmed = warmed._replace(error=str(refused), reached=refused.reached)
    moved(clip.size - told)
    return warmed


class WarmingFailed(Exception):
    """A video did not come, or not as it should."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


async def find_state(
    session: ClientSession, order: Order, url: URL, starts: Sequence[int]
) -> str:
    """Return what the edge says of the first slice it lacks, or of the last one.

    starts are the places of the slices; raises WarmingFailed.
    """
    state = ""
    for start in starts:
        one = EdgeProbe("probe", {"Range": f"bytes={start}-{start}"})
        answer = await ask(session, url, one, 1, proxy=order.proxy)
        if not answer.status or answer.error:
            raise WarmingFailed(answer.error, reached=bool(answer.status))
        if answer.status not in (200, 206):
            target = answer.headers.get("location", "")
            more = f" to {target}" if target else ""
            raise WarmingFailed(f"it is a {answer.status}{more}", reached=True)
        cached = read_cache(answer.headers)
        state = cached.state
        if not cached.kept:
            break
    return state


async def _find_after(session: ClientSession, order: Order, url: URL, size: int) -> str:
    """Return what the edge says of the last byte, which came last."""
    state = ""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        state = await find_state(session, order, url, [size - 1])
        if state not in ("MISS", "EXPIRED"):
            break
    return state


async def fetch(
    session: ClientSession,
    order: Order,
    url: URL,
    size: int,
    pace: RateLimit,
    tell: Callable[[int], None],
) -> None:
    """Read all of a video at the pace; WarmingFailed if it is not as in the table."""
    received, status = 0, 0
    try:
        async with session.get(
            url, allow_redirects=False, proxy=find_proxy(url, order.proxy)
        ) as response:
            status = response.status
            if status == 200:
                async for data in response.content.iter_chunked(READ_BYTES):
                    received += len(data)
                    if received > size:
                        break
                    tell(len(data))
                    await pace.spend(len(data))
    except FAILURES as error:
        whole = count_noun(size, "byte")
        why = f"{received:,} of {whole} came, then {explain(error)}"
        raise WarmingFailed(why, reached=status > 0) from None
    if status != 200:
        raise WarmingFailed(f"it is a {status}", reached=True)
    if received != size:
        many = f"{received:,}" if received < size else f"more than {size:,}"
        raise WarmingFailed(f"{many} bytes came, the table has {size:,}", reached=True)
