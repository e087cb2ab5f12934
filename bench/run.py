"""One run: everything started and checked, measured in rounds, and stopped."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from shutil import which
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.load.job import Asset
from bench.machine import describe_machine
from bench.measure import (
    YARDSTICK_SECONDS,
    count_by_wrk,
    measure,
    measure_loop,
    measure_yardstick,
)
from bench.results import Row, Run
from bench.stand.contenders import YARDSTICK, running
from bench.stand.paths import Stand
from bench.stand.process import on_core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.load.job import Job
    from bench.measure import Pace
    from bench.results import Round
    from bench.scenarios import Scenario
    from bench.stand.contenders import Running
    from bench.stand.paths import Stretch

YARD_BYTES = 64 * 1024  # bench.peers.yardstick's answer
EXTRA_SECONDS = 0.15  # to begin and end a stretch
FILLS = 400  # new clips a second, about
WRK = "ranges64"  # the scenario that wrk runs too
WRK_PATHS = ("memory", "origin")  # the first that is there
WRK_ROUNDS = 5
WRK_APART = 0.15
QUICK_SECONDS = 68.0  # when the last round of a quick run must have ended
QUICK_FILL = 1.2  # seconds of a mix that would go on until its end
BUSY = 0.9  # of its core; above it the load generator is perhaps what is measured


class Options(NamedTuple):
    """What was chosen."""

    scenarios: Sequence[Scenario]
    peers: bool
    seconds: float  # of a stretch, at least
    rounds: int
    seed: int
    quick: bool = False  # less warm-up, and no round that would end too late

    @property
    def share(self) -> float:
        """Return how much of the usual warm-up there is."""
        return 0.5 if self.quick else 1.0


class Progress:
    """A line on standard error: what runs, and how long the rest takes."""

    def __init__(self) -> None:
        """Begin; how long it will take is not known yet."""
        self.begun = time.monotonic()
        self.live = sys.stderr.isatty()

    def plan(self, costs: Sequence[float]) -> None:
        """Take the seconds that each coming step should need."""
        self.costs, self.done, self.planned = costs, 0, time.monotonic()

    def step(self, sentence: str) -> None:
        """Tell the next step and the time left, judged by the steps before it."""
        past, rest = sum(self.costs[: self.done]), sum(self.costs[self.done :])
        slower = (time.monotonic() - self.planned) / past if self.done else 1.0
        self.tell(f"{sentence}; {describe_seconds(rest * slower)} left")
        self.done += 1

    def tell(self, sentence: str) -> None:
        """Say what is going on; on a terminal the next sentence replaces it."""
        start, end = ("\r\033[K", "") if self.live else ("", "\n")
        print(f"{start}… {sentence}", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def describe_seconds(seconds: float) -> str:
    """Return a length of time as one says it."""
    if seconds < 100:
        return f"about {max(round(seconds), 1)} s"
    return f"about {round(seconds / 60)} min"


def run(options: Options) -> Run:
    """Measure what was chosen. Raises Fault at a wrong answer."""
    progress = Progress()
    try:
        with ExitStack() as stack:
            stand = Stand(stack, options.seed, progress.tell)
            stand.load(list(dict.fromkeys(one.library for one in options.scenarios)))
            stretches = stand.start_all(options.scenarios, peers=options.peers)
            yard = stack.enter_context(
                running(YARDSTICK, stand.folder, "", stand.cores[0])
            )
            rows = measure_rows(stand, stretches, yard, options, progress)
            progress.tell("comparing the load generator with wrk")
            checks = list_busy(rows) + cross_check(stand, stretches, options)
            return Run(describe(options, stand), rows, stand.left_out, checks)
    finally:
        progress.end()


def describe(options: Options, stand: Stand) -> dict[str, object]:
    """Return what a reader must know of a run."""
    return {
        **describe_machine(stand.url),
        "settings": {
            "peers": options.peers,
            "only": [one.name for one in options.scenarios],
            "database": "DATABASE_URL" if os.environ.get("DATABASE_URL") else "own",
        },
        "seed": options.seed,
        "seconds": options.seconds,
        "rounds": options.rounds,
    }


def measure_rows(
    stand: Stand,
    stretches: Sequence[Stretch],
    yard: Running,
    options: Options,
    progress: Progress,
) -> list[Row]:
    """Give every row a stretch a round, next to the yardstick's."""
    content = stand.folder / "yardstick"
    content.write_bytes(bytes(YARD_BYTES))
    asset = Asset("/", YARD_BYTES, f"{content}")
    jobs = [plan_job(one, options) for one in stretches]
    rounds: list[list[Round]] = [[] for _ in stretches]
    progress.plan([estimate(job, options) for job in jobs] * options.rounds)
    for number in range(options.rounds):
        begun = time.monotonic()
        for stretch, job, seen in zip(stretches, jobs, rounds, strict=True):
            name = f"{stretch.scenario.name} on {stretch.started.contender.name}"
            progress.step(f"round {number + 1} of {options.rounds}: {name}")
            pace = measure_yardstick(
                stand.generator, yard, asset, YARDSTICK_SECONDS * options.share
            )
            turn = job._replace(seed=options.seed + number)
            seen.append(measure_stretch(stand, stretch, turn, pace))
        now = time.monotonic()
        if options.quick and 2 * now - begun > progress.begun + QUICK_SECONDS:
            break
    return [build_row(*pair) for pair in zip(stretches, rounds, strict=True)]


def plan_job(stretch: Stretch, options: Options) -> Job:
    """Return the job of a stretch, but for its seed."""
    seconds = max(options.seconds, stretch.scenario.least)
    if options.quick and stretch.scenario.mix == "each":
        seconds = QUICK_FILL
    return stretch.job._replace(seconds=seconds, warm=stretch.job.warm * options.share)


def estimate(job: Job, options: Options) -> float:
    """Return how long a stretch will take with all that belongs to it."""
    ends = len(job.assets) / FILLS if job.mix == "each" else job.seconds
    long = job.warm + min(job.seconds, ends)
    return options.share * YARDSTICK_SECONDS + long + EXTRA_SECONDS


def measure_stretch(stand: Stand, stretch: Stretch, job: Job, pace: Pace) -> Round:
    """Measure one stretch, on the cores that its contender is to have."""
    started, generator = stretch.started, stretch.generator
    if not started.contender.speaks:
        seen = measure_loop(started, job, stand.postmaster)
        return seen._replace(yardstick=pace.requests, yardstick_cpu=pace.cpu)
    cores = stand.cores if not started.contender.pinned else stand.cores[-1:]
    os.sched_setaffinity(generator.process.pid, cores)
    try:
        return measure(generator, started, job, stand.postmaster, pace)
    finally:
        os.sched_setaffinity(generator.process.pid, stand.cores[-1:])


def build_row(stretch: Stretch, rounds: list[Round]) -> Row:
    """Return a row of the result."""
    scenario, contender = stretch.scenario, stretch.started.contender
    return Row(
        scenario.name,
        contender.name,
        contender.peer,
        scenario.unit,
        scenario.rate,
        rounds,
    )


def list_busy(rows: Sequence[Row]) -> list[str]:
    """Return a warning for each row that the load generator may have limited."""
    found = []
    for row in rows:
        share = median(one.load_share for one in row.rounds)
        if share > BUSY:
            found.append(
                f"{row.scenario} on {row.path}: the load generator used {share:.0%} of"
                " its core, so the server may be faster than shown."
            )
    return found


def cross_check(
    stand: Stand, stretches: Sequence[Stretch], options: Options
) -> list[str]:
    """Compare the load generator with wrk on the same server, taking turns."""
    found = [one for path in WRK_PATHS for one in stretches if is_wrks(one, path)]
    if not found:
        return []
    if which("wrk") is None:
        stand.left_out["wrk"] = "not installed (apt install wrk): no cross-check"
        return []
    stretch = found[0]
    job = stretch.job._replace(port=stretch.started.port, seconds=1.0)
    pairs = []
    for number in range(min(options.rounds, WRK_ROUNDS)):
        turn = job._replace(seed=options.seed + number)
        seen = stand.generator.run(turn)
        with on_core(stand.cores[-1]):
            pairs.append((count_by_wrk(turn), seen.requests / seen.seconds))
    return [describe_check(pairs, stretch.started.contender.name)]


def is_wrks(stretch: Stretch, path: str) -> bool:
    """Report whether it is what wrk asks for, on this path."""
    return (stretch.scenario.name, stretch.started.contender.name) == (WRK, path)


def describe_check(pairs: Sequence[tuple[float, float]], path: str) -> str:
    """Return how far wrk and our generator are apart."""
    theirs, ours = (median(rates) for rates in zip(*pairs, strict=True))
    apart = abs(median(a / b for a, b in pairs) - 1)
    verdict = "" if apart <= WRK_APART else ": too much, so trust neither today"
    return (
        f"{WRK} on {path}: wrk {theirs:,.0f} requests/s, ours {ours:,.0f}:"
        f" {apart:.0%} apart{verdict}."
    )
