"""The load generator's loop: who asks when, and what each latency was.

In a closed loop a client asks again as soon as it has its answer. In an open loop units
come due by the clock, and their latency counts from then, however late they are sent.
"""

from __future__ import annotations

import select
import time
from array import array
from collections import Counter, deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.load.clients import Client, Clients
from bench.load.job import Seen
from bench.load.mixes import list_due, list_units
from bench.results import bucket
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.load.job import Job

STALL_SECONDS = 30.0  # without a byte for anybody
CLIENTS_MAX = 4096  # of an open loop
IDLE_SECONDS = 0.05  # between two looks at the clock
PACE_SECONDS = 0.1  # so often a slow client takes what its line has carried
FILLING = 4  # clients that ask for everything once


def drive(job: Job, begun: Callable[[], object]) -> Seen:
    """Do the job; call begun when it is warm. Raises Fault at a wrong answer."""
    if job.fill:
        with ExitStack() as stack:
            once = job._replace(mix="each", rate=None, pace=None, warm=0.0, seconds=600)
            Load(once._replace(clients=FILLING), stack).run(lambda: None)
    with ExitStack() as stack:
        return Load(job, stack).run(begun)


class Load:
    """A stretch under way."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        """Prepare; stack closes all."""
        self.job = job
        sizes = [asset.size for asset in job.assets]
        self.units = list_units(job.mix, job.length, sizes, job.seed)
        self.clients = Clients(job, stack, self.note_opened, self.finish)
        self.idle: list[Client] = []
        self.busy = 0
        self.waiting: deque[float] = deque()  # due, and no client for them
        self.slow: deque[tuple[float, Client]] = deque()  # by their next turn
        self.begun = float("inf")
        self.latencies = array("d")

    def run(self, begun: Callable[[], object]) -> Seen:
        """Run warm-up and stretch."""
        job, start = self.job, time.perf_counter()
        spent, until, heard = 0.0, float("inf"), start
        arrivals = (start + due for due in list_due(job.rate or 1, job.seed))
        due = next(arrivals) if job.rate else float("inf")
        if not job.rate and job.warm:
            self.start_all(start)
        while True:
            now = time.perf_counter()
            if self.begun > now >= start + job.warm:
                begun()
                now = heard = self.begun = time.perf_counter()
                until, spent = now + job.seconds, time.process_time()
                self.clients.bytes = self.clients.repeated = 0
                if not job.rate and not job.warm:
                    self.start_all(now)
            if (now >= until and self.enough()) or self.idles():
                break
            while due <= now and due < until:
                self.arrive(due)
                due = next(arrivals)
            if self.step(now, min(due, until)):
                heard = now
            elif now > heard + STALL_SECONDS and self.busy:
                raise Fault(
                    f"{self.busy} clients have waited {STALL_SECONDS:.0f} s for"
                    " nothing: see what the server says"
                )
        return Seen(
            len(self.latencies),
            self.clients.bytes,
            now - self.begun,
            dict(Counter(map(bucket, self.latencies))),
            time.process_time() - spent,
            self.clients.repeated,
        )

    def enough(self) -> bool:
        """Report whether everything that a stretch waits for has come."""
        return not self.busy if self.job.rate else len(self.latencies) > 0

    def idles(self) -> bool:
        """Report whether there is nothing left to do: the mix has ended."""
        return not (self.busy or self.slow or self.job.rate)

    def start_all(self, now: float) -> None:
        """Give every client its first unit; slow ones one after the other."""
        apart = self.job.warm / self.job.clients
        for number in range(self.job.clients):
            if self.job.pace:
                self.slow.append((now + number * apart, Client()))
            else:
                self.start(Client(), now)

    def arrive(self, due: float) -> None:
        """Give a unit that comes due to a client, or have it wait for one."""
        if self.idle or self.busy < CLIENTS_MAX:
            self.start(self.idle.pop() if self.idle else Client(), due)
        else:
            self.waiting.append(due)

    def start(self, client: Client, due: float) -> None:
        """Have the client begin its next unit, if there is one."""
        unit = next(self.units, None)
        if unit is not None:
            self.busy += 1
            client.unit, client.place, client.due = unit, 0, due
            self.clients.ask(client)

    def finish(self, client: Client) -> None:
        """Note what the unit took, and go on."""
        now = time.perf_counter()
        self.busy -= 1
        if (client.due if self.job.rate else now) >= self.begun:
            self.latencies.append(now - client.due)
        if not self.job.rate:
            self.start(client, now)
        elif self.waiting:
            self.start(client, self.waiting.popleft())
        else:
            self.idle.append(client)

    def step(self, now: float, next_due: float) -> bool:
        """Wait for events, not beyond next_due, and handle them; report whether any."""
        pause = min(next_due - now, IDLE_SECONDS)
        if self.slow:
            pause = min(self.slow[0][0] - now, pause)
        if pause < IDLE_SECONDS:  # epoll itself counts whole milliseconds
            select.select([self.clients.poll], [], [], max(pause, 0))
            pause = 0
        events = self.clients.poll.poll(pause)
        for number, _ in events:
            client = self.clients.all.get(number)
            if client is not None:
                self.clients.handle(client)
        took = False
        while self.slow and self.slow[0][0] <= now:
            took |= self.take_turn(self.slow.popleft()[1], now)
        return bool(events) or took

    def note_opened(self, client: Client) -> None:
        """Give a slow client its first turn with a connection."""
        if self.job.pace:
            client.turn = time.perf_counter()
            self.slow.append((client.turn + PACE_SECONDS, client))

    def take_turn(self, client: Client, now: float) -> bool:
        """Let a slow client take what its line has carried since its last turn."""
        assert self.job.pace is not None
        before, unit = self.clients.bytes, client.unit
        if not unit:
            self.start(client, now)
            return True
        room = int(min(now - client.turn, 2 * PACE_SECONDS) * self.job.pace)
        self.clients.receive(client, room)
        took = self.clients.bytes - before
        # At the end of a unit the rest of the turn is the next one's.
        client.turn = (
            now if client.unit is unit else now - (room - took) / self.job.pace
        )
        if client.ready:
            self.slow.append((now + PACE_SECONDS, client))
        return took > 0
