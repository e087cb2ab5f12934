"""Clients that know every byte they ask for, and what became of each request."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import Enum
from statistics import quantiles
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from tests.wire import Head, Wire, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

HANG_SECONDS = 20.0  # without a byte; every wait of the server ends sooner
PAUSE_SECONDS = 0.01  # of a client between an answer and the next request
LONG_BYTES = 1_000_000
SHORT_BYTES = 150_000


class Outcome(Enum):
    """What became of one request."""

    RIGHT = "the right answer, every byte"
    REFUSED = "a 503 with Retry-After: not now"
    STATUS = "another status, or a 503 that does not say when to come again"
    WRONG = "a wrong byte or header"
    SHORT = "a body that looks whole and is not"
    HUNG = f"nothing for {HANG_SECONDS:.0f} seconds"
    CUT = "the connection closed in mid-body, which the client can tell"
    CLOSED = "the connection closed without an answer"


class Answer(NamedTuple):
    """One request; times by monotonic."""

    began: float
    ended: float
    outcome: Outcome
    detail: str = ""


class Asked(NamedTuple):
    """A range of a video; with none, the whole of it."""

    video: int
    data: bytes  # of the whole video
    span: range | None

    @property
    def headers(self) -> dict[str, str]:
        if self.span is None:
            return {}
        return {"Range": f"bytes={self.span.start}-{self.span.stop - 1}"}

    def judge_head(self, head: Head) -> Answer | None:
        """Return what is wrong with a head, as an answer without times."""
        if head.status == 503 and "retry-after" in head.headers:
            return Answer(0, 0, Outcome.REFUSED)
        whole = range(len(self.data))
        span = whole if self.span is None else self.span
        if head.status != (200 if self.span is None else 206):
            return Answer(0, 0, Outcome.STATUS, str(head.status))
        if head.length != len(span):
            return Answer(0, 0, Outcome.SHORT, f"{head.length} of {len(span)}")
        said = head.headers.get("content-range")
        right = f"bytes {span.start}-{span.stop - 1}/{len(self.data)}"
        if said != (None if self.span is None else right):
            return Answer(0, 0, Outcome.WRONG, f"Content-Range {said}, not {right}")
        return None

    def judge_body(self, at: int, data: bytes) -> bool:
        """Report whether these bytes stand at this place of the body."""
        start = at + (self.span.start if self.span else 0)
        return self.data[start : start + len(data)] == data


class Load:
    """Clients of known videos; half of them keep their connection."""

    def __init__(self, port: int, videos: Mapping[int, bytes]) -> None:
        self.port, self.videos = port, videos
        self.answers: list[Answer] = []
        self._asking: dict[int, float] = {}  # client: since when it waits

    def since(self, began: float) -> list[Answer]:
        """Return what was asked after that moment."""
        return [answer for answer in self.answers if answer.began >= began]

    async def wait_for(self, count: int, within: float = 30.0) -> None:
        """Wait until so many more answers were right."""
        done = self._count_right() + count
        await wait_until(lambda: self._count_right() >= done, within)

    def _count_right(self) -> int:
        return sum(answer.outcome is Outcome.RIGHT for answer in self.answers)

    async def measure_recovery(self, ended: float, within: float) -> float:
        """Return how many seconds after that moment all was right again.

        All is when nobody waits for an answer from before, and as many requests as
        there are clients, thrice, were answered rightly in a row.
        """
        needed = 3 * len(self._asking)
        while not self._is_well(ended, needed):
            last = count_outcomes(self.since(ended)[-needed:])
            waits = [monotonic() - began for began in self._asking.values()]
            assert monotonic() < ended + within, f"not well: {last}, waiting {waits}"
            await asyncio.sleep(PAUSE_SECONDS)
        bad = [a.ended for a in self.answers if a.outcome is not Outcome.RIGHT]
        return max([end - ended for end in bad], default=0.0)

    def _is_well(self, ended: float, needed: int) -> bool:
        last = self.since(ended)[-needed:]
        right = all(answer.outcome is Outcome.RIGHT for answer in last)
        waits = any(began < ended for began in self._asking.values())
        return right and len(last) == needed and not waits

    async def run_client(self, number: int, *, keeps: bool) -> None:
        """Ask again and again, on one connection or each time on a new one."""
        rng = random.Random(number)
        async with AsyncExitStack() as kept:
            wire: Wire | None = None
            while True:
                asked = self._choose(rng)
                self._asking[number] = began = monotonic()
                was_kept = wire is not None
                wire, answer = await self._try(kept, wire, asked)
                if was_kept and answer.outcome is Outcome.CLOSED:
                    # It was closed as it idled, so once more (RFC 9112, 9.3.1).
                    await kept.aclose()
                    wire, answer = await self._try(kept, None, asked)
                now = monotonic()
                self.answers.append(answer._replace(began=began, ended=now))
                if not keeps or answer.outcome not in (Outcome.RIGHT, Outcome.REFUSED):
                    await kept.aclose()
                    wire = None
                self._asking[number] = now
                await asyncio.sleep(PAUSE_SECONDS)

    async def _try(
        self, kept: AsyncExitStack, wire: Wire | None, asked: Asked
    ) -> tuple[Wire | None, Answer]:
        """Return the connection, and what became of the request."""
        try:
            if wire is None:
                async with asyncio.timeout(HANG_SECONDS):
                    wire = await kept.enter_async_context(connect(self.port))
            return wire, await self._ask(wire, asked)
        except TimeoutError:
            return wire, Answer(0, 0, Outcome.HUNG, "no connection, or no head")
        except (OSError, EOFError, RuntimeError) as error:
            # uvloop raises the last when it knows that the connection is lost.
            return wire, Answer(0, 0, Outcome.CLOSED, repr(error))

    def _choose(self, rng: random.Random) -> Asked:
        video, data = rng.choice(list(self.videos.items()))
        if len(data) < SHORT_BYTES and rng.random() < 0.3:
            return Asked(video, data, None)
        most = LONG_BYTES if rng.random() < 0.1 else SHORT_BYTES
        start = rng.randrange(len(data))
        stop = min(start + rng.randint(1, most), len(data))
        return Asked(video, data, range(start, stop))

    async def _ask(self, wire: Wire, asked: Asked) -> Answer:
        """Return what became of a request, without its times."""
        async with asyncio.timeout(HANG_SECONDS):
            head = await wire.ask("GET", f"/v3/videos/{asked.video}", asked.headers)
        fault = asked.judge_head(head)
        at = 0
        while at < head.length:
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    data = await wire.reader.read(min(65536, head.length - at))
            except TimeoutError:
                return Answer(0, 0, Outcome.HUNG, f"after {at} of {head.length} bytes")
            except OSError:
                data = b""
            if not data:
                return Answer(0, 0, Outcome.CUT, f"after {at} of {head.length} bytes")
            if fault is None and not asked.judge_body(at, data):
                fault = Answer(0, 0, Outcome.WRONG, f"{asked.span} from {at}")
            at += len(data)
        return fault or Answer(0, 0, Outcome.RIGHT)


@asynccontextmanager
async def loading(
    port: int,
    videos: Mapping[int, bytes],
    *,
    clients: int = 6,
    first_within: float = 30.0,
) -> AsyncIterator[Load]:
    """Yield clients that ask without end, once some answers were right."""
    load = Load(port, videos)
    tasks = [
        asyncio.create_task(load.run_client(number, keeps=number % 2 == 0))
        for number in range(clients)
    ]
    try:
        await load.wait_for(clients, first_within)
        yield load
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def wait_until(true: Callable[[], bool], within: float) -> None:
    """Return as soon as that is true; raise TimeoutError after so many seconds."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 # processes set no event
            await asyncio.sleep(PAUSE_SECONDS)


def count_outcomes(answers: Iterable[Answer]) -> Counter[Outcome]:
    """Return how often each outcome came."""
    return Counter(answer.outcome for answer in answers)


def find_p99(answers: Iterable[Answer]) -> float:
    """Return the seconds that 99 of 100 answers stayed within."""
    seconds = [answer.ended - answer.began for answer in answers]
    return quantiles(seconds, n=100)[98]
