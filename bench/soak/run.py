"""python -m bench soak: mixed load and faults for an hour.

It fails if a byte is wrong, an answer is missing without an excuse, or anything grows:
memory, descriptors, threads, tasks, sessions, latency.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import ExitStack
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TextIO

import aiohttp

from bench.machine import describe_machine
from bench.options import count, positive, tell
from bench.soak.clients import Clients
from bench.soak.faults import Faults
from bench.soak.judge import FEWEST, Growth, Sample, explain, judge, render
from bench.soak.sampling import Tasks, measure_server, sum_up
from bench.soak.stand import OpenStand, measure_database, open_stand
from bench.soak.tally import Refused, Tally, Wrong
from server.errors import Fault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.soak.clients import Step

SAMPLES = 240  # about, of a run
LEAST_SECONDS = 2.0  # between samples
FAULT_SECONDS = 8.0  # between faults, on average
ANSWER_SECONDS = 60.0  # the most an answer may take
REST_SECONDS = 0.3  # after an answer that was missing


class Outcome(NamedTuple):
    """What a soak has seen."""

    tally: Tally
    samples: list[Sample]
    growth: list[Growth]
    tracebacks: Sequence[str] = ()  # what those in the server's log end with


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's flags."""
    parser = sub.add_parser(
        "soak", help="see that nothing grows for an hour", description=__doc__
    )
    parser.set_defaults(run=run_soak)
    add = parser.add_argument
    add("--minutes", type=positive, default=60.0, help="how long [60]")
    add("--workers", type=count, default=2, help="processes of the server [2]")
    add("--seed", type=int, default=1, help="seed of requests and faults [1]")
    add("--json", type=Path, default=Path("soak.json"), help="save here [soak.json]")


def run_soak(options: argparse.Namespace) -> int:
    """Run, print and write; 1 if something is wrong or grows."""
    with open_results(options.json) as file:
        about, outcome = measure(options)
        print(render(outcome.growth))
        print(f"\n{describe(outcome.tally)}")
        save(file, about, outcome)
    tell(f"the samples are in {options.json}")
    complaints = list_complaints(outcome)
    for sentence in complaints:
        print(f"bench soak: {sentence}")
    return 1 if complaints else 0


def open_results(path: Path) -> TextIO:
    """Open the file of the results before there are any; Fault if that fails."""
    try:
        return path.open("a", encoding="utf-8")  # what it has may yet be wanted
    except OSError as error:
        raise Fault(
            f"cannot write {path} ({error.strerror})", "choose another --json"
        ) from error


def measure(options: argparse.Namespace) -> tuple[dict[str, object], Outcome]:
    """Return what was measured where, and what was seen."""
    seconds = options.minutes * 60
    with ExitStack() as stack:
        stand = open_stand(stack, options.workers, options.seed)
        about = describe_machine(stand.url) | {
            "seconds": seconds,
            "workers": options.workers,
            "seed": options.seed,
        }
        outcome = asyncio.run(soak(stand, seconds, Random(options.seed)))
    return about, outcome._replace(tracebacks=stand.tracebacks)


def list_complaints(outcome: Outcome) -> list[str]:
    """Return a sentence on each thing that is wrong."""
    tally = outcome.tally
    found = [f"a wrong answer: {each}" for each in tally.wrong]
    if tally.wrong_count > len(tally.wrong):
        found.append(f"{tally.wrong_count - len(tally.wrong):,} more wrong answers")
    found += [f"a traceback in the server's log: {each}" for each in outcome.tracebacks]
    found += [explain(each) for each in outcome.growth if each.is_too_much]
    if len(outcome.samples) < FEWEST:
        found.append(
            f"{len(outcome.samples)} samples are too few to judge: take more --minutes"
        )
    return found


async def soak(stand: OpenStand, seconds: float, random: Random) -> Outcome:
    """Load the server, break what can break, and take samples."""
    tally = Tally()
    timeout = aiohttp.ClientTimeout(total=None, sock_read=ANSWER_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        clients = Clients(http, stand.origin, stand.library, tally, random)
        tasks = [
            asyncio.create_task(repeat(name, step, pause, tally, random))
            for name, (step, count, pause) in clients.list_steps().items()
            for _ in range(count)
        ]
        faults = Faults(
            *(stand.port, stand.pid, stand.url, stand.library.assets[0].target),
            *(tally, random),
        )
        breaking = asyncio.create_task(break_things(faults, seconds, random))
        try:
            samples = await take_samples(stand, tally, seconds)
        finally:
            for task in (*tasks, breaking):
                task.cancel()
            await asyncio.gather(*tasks, breaking, return_exceptions=True)
            await faults.end()
    return Outcome(tally, samples, judge(samples))


async def repeat(
    name: str, step: Step, pause: float, tally: Tally, random: Random
) -> None:
    """Ask the same again and again; note what comes of it."""
    while True:
        begun = monotonic()
        try:
            await step()
        except Wrong as wrong:
            tally.note_wrong(name, wrong)
        except (Refused, aiohttp.ClientError, OSError, TimeoutError) as error:
            tally.note_missing(name, error, begun)
            await asyncio.sleep(REST_SECONDS)
        except Exception as error:
            tally.note_wrong(name, error)
            await asyncio.sleep(REST_SECONDS)
        else:
            tally.right[name] += 1
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))


async def break_things(faults: Faults, seconds: float, random: Random) -> None:
    """Bring about faults until cancelled."""
    begun = monotonic()
    while True:
        await asyncio.sleep(random.uniform(0.2, 1.8) * FAULT_SECONDS)
        past = monotonic() - begun
        try:
            await faults.bring(past / seconds, past)
        except Exception as error:  # or the rest would run without faults, and pass
            faults.tally.note_wrong("breaking", error)


async def take_samples(stand: OpenStand, tally: Tally, seconds: float) -> list[Sample]:
    """Return samples of the time that the load takes."""
    begun, tasks = monotonic(), Tasks(stand.tasks)
    every = max(seconds / SAMPLES, LEAST_SECONDS)
    samples: list[Sample] = []
    while (past := monotonic() - begun) < seconds:
        tasks.ask(stand.pid)
        await asyncio.sleep(min(every, seconds - past))
        values = measure_server(stand.pid) | tasks.take()
        values |= await asyncio.to_thread(measure_database, stand.url)
        values |= sum_up(tally.take_latencies())
        samples.append(Sample(monotonic() - begun, values))
        os.kill(stand.pid, 0)  # or it is gone, which nothing excuses
        if len(samples) % 20 == 0:
            tell(f"{past / 60:.1f} min: {describe(tally)}")
    return samples


def describe(tally: Tally) -> str:
    """Return what was answered and what was broken, in a line."""
    faults = ", ".join(
        f"{count} {name}" for name, count in sorted(tally.faults.items())
    )
    return (
        f"{sum(tally.right.values()):,} right answers, {tally.wrong_count:,} wrong, "
        f"{sum(tally.excused.values()):,} missing after a fault ({faults or 'none'})"
    )


def save(file: TextIO, about: dict[str, object], outcome: Outcome) -> None:
    """Write all that was seen as JSON."""
    told = {
        "about": about,
        "right": outcome.tally.right,
        "missing": outcome.tally.excused,
        "faults": outcome.tally.faults,
        "wrong": outcome.tally.wrong,
        "wrong_count": outcome.tally.wrong_count,
        "tracebacks": outcome.tracebacks,
        "growth": [each._asdict() for each in outcome.growth],
        "samples": [each._asdict() for each in outcome.samples],
    }
    file.truncate(0)
    file.write(f"{json.dumps(told, indent=1)}\n")
