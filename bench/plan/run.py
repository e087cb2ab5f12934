"""python -m bench plan: do the targets hold for an audience, and with how many servers?

What a slice costs was measured; what the edges leave of an audience is simulated.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.options import count, positive
from bench.plan.simulate import SLICE_BYTES, Audience, Day, list_slices, simulate
from bench.results import GIB, MIB, load, summarize
from server.errors import Fault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.results import Row, Run

COSTS = Path(__file__).parents[1] / "results/scale.json"
HIT_RATIO = 0.9  # more than
ORIGIN_REQUESTS = 1000  # fewer, a day
USABLE = 0.5  # of what a server can do; the rest is for what nobody foresaw
SLICES_A_SECOND = 1e6  # that a simulation gets through, about
PATIENCE_SECONDS = 5
EXAMPLES = (  # viewers, clips, edges, GiB of each edge's cache
    (100, 100, 1, 10.0),
    (1_000, 100, 1, 10.0),
    (1_000, 1_000, 3, 10.0),
    (10_000, 1_000, 3, 10.0),
    (10_000, 1_000, 10, 10.0),
    (1_000, 1_000, 3, 1.0),
    (1_000, 10_000, 1, 100.0),
)
DAYS = ("first_day", "last_day")
HEADS = (
    *("viewers", "clips", "edges", "GiB each", "hits day 1", "last day"),
    *("origin d. 1", "last day", "peak/s", "servers", "targets"),
)


class Cost(NamedTuple):
    """What a slice costs the origin."""

    rate: float  # a second, from one busy server
    cpu: float  # seconds, of server and PostgreSQL
    median: float  # seconds it takes while the server is so busy


class Plan(NamedTuple):
    """What an audience means for the origin."""

    audience: Audience
    first: Day  # begins with empty caches
    last: Day
    peak: int  # requests that reach the origin in the busiest second of all days
    servers: int

    @property
    def holds(self) -> bool:
        """Report whether both targets are met on the last day."""
        few = self.last.origin_requests < ORIGIN_REQUESTS
        return self.last.hit_ratio > HIT_RATIO and few


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's flags."""
    parser = sub.add_parser(
        "plan", help="hit ratio and origin servers for an audience", description=__doc__
    )
    parser.set_defaults(run=run_plan)
    add = parser.add_argument
    add("--viewers", type=count, help="viewers per day; default: a few examples")
    add("--clips", type=count, default=1000, help="clips in the library [1000]")
    add(
        "--edges",
        type=count,
        default=3,
        help="edge caches, each with its own viewers [3]",
    )
    add("--views-per-viewer", type=count, default=20, help="per day [20]")
    add("--clip-mb", type=positive, default=5.0, help="MiB of each clip [5]")
    add("--edge-gb", type=positive, default=10.0, help="GiB of each edge's cache [10]")
    add("--zipf", type=float, default=0.9, help="exponent of popularity [0.9]")
    add(
        "--days",
        type=count,
        default=8,
        help="days to simulate; the last one decides [8]",
    )
    add("--seed", type=int, default=1, help="seed of the audience [1]")
    add("--costs", type=Path, default=COSTS, help="JSON of a run [the one in results/]")
    add("--json", type=Path, help="also save the numbers")
    add("--check", action="store_true", help="compare with real nginx caches instead")


def run_plan(options: argparse.Namespace) -> int:
    """Print the plan, or how far the simulation is from nginx."""
    if options.check:
        from bench.plan.rehearse import rehearse, render_compared

        compared = rehearse(options.seed)
        print(render_compared(compared))
        if options.json:
            save_json(compared._asdict(), options.json)
        return 0
    run = load(options.costs)
    cost = find_cost(run, options.costs)
    audiences = list_audiences(options)
    tell_time(audiences)
    plans = [make_plan(one, cost) for one in audiences]
    print(render_plan(plans[0], cost) if options.viewers else render_plans(plans))
    print(describe_cost(cost, run, options.costs))
    if options.json:
        save_json([describe(plan) for plan in plans], options.json)
    return 0


def save_json(found: object, path: Path) -> None:
    """Write it. Raises Fault when that can't be."""
    try:
        path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise Fault(
            f"{path} cannot be written ({error.strerror}): choose another"
        ) from error


def find_cost(run: Run, path: Path) -> Cost:
    """Return a slice's cost from the origin row of answers nearest to it in size.

    Raises Fault when the run has none, or did not see what PostgreSQL used.
    """
    rows = [row for row in run.rows if row.path == "origin" and row.rate is None]
    rows = [row for row in rows if size_of(row)]
    if not rows:
        raise Fault(f"{path} has no row of the origin: give --costs a run that has one")
    row = min(rows, key=lambda row: abs(math.log(size_of(row) / SLICE_BYTES)))
    found = summarize(row)
    if found.server_cpu is None or found.database_cpu is None:
        raise Fault(f"{path} lacks PostgreSQL's CPU: measure without DATABASE_URL")
    return Cost(
        found.mib * MIB / SLICE_BYTES,
        (found.server_cpu + found.database_cpu) * SLICE_BYTES / GIB,
        found.latency["p50"] if found.latency else math.nan,
    )


def size_of(row: Row) -> float:
    """Return the mean bytes of an answer; 0 of none."""
    requests = sum(one.requests for one in row.rounds)
    return sum(one.bytes for one in row.rounds) / requests if requests else 0.0


def list_audiences(options: argparse.Namespace) -> list[Audience]:
    """Return the one that was asked for, or a few."""
    asked = (options.viewers, options.clips, options.edges, options.edge_gb)
    return [
        Audience(
            viewers,
            clips,
            edges,
            options.views_per_viewer,
            max(int(options.clip_mb * MIB), 1),
            int(edge_gb * GIB),
            options.zipf,
            options.days,
            options.seed,
        )
        for viewers, clips, edges, edge_gb in ([asked] if options.viewers else EXAMPLES)
    ]


def tell_time(audiences: Sequence[Audience]) -> None:
    """Say how long it takes at most, if that is long."""
    slices = sum(
        one.viewers * one.views * len(list_slices(one.clip_bytes)) * one.days
        for one in audiences
    )
    if slices / SLICES_A_SECOND > PATIENCE_SECONDS:
        print(
            f"… simulating {slices:,} slices: {slices / SLICES_A_SECOND:.0f} s at most",
            file=sys.stderr,
            flush=True,
        )


def make_plan(audience: Audience, cost: Cost) -> Plan:
    """Return what the audience means."""
    days = simulate(audience)
    peak = max(day.peak for day in days)
    servers = max(math.ceil(peak / (cost.rate * USABLE)), 1)
    return Plan(audience, days[0], days[-1], peak, servers)


def describe(plan: Plan) -> dict[str, object]:
    """Return the plan as JSON's objects."""
    first, last = plan.first, plan.last
    return {
        "audience": plan.audience._asdict(),
        DAYS[0]: first._asdict() | {"hit_ratio": first.hit_ratio},
        DAYS[1]: last._asdict() | {"hit_ratio": last.hit_ratio},
        "peak": plan.peak,
        "servers": plan.servers,
        "targets_hold": plan.holds,
    }


def render_plan(plan: Plan, cost: Cost) -> str:
    """Return sentences about one audience."""
    one, last = plan.audience, plan.last
    lines = [
        f"{one.viewers:,} viewers, {one.views} views each a day of {one.clips:,} clips"
        f" of {one.clip_bytes / MIB:.3g} MiB (Zipf {one.zipf:g}), through {one.edges}"
        f" edges with {one.edge_bytes / GIB:.3g} GiB each:"
    ]
    for name, day in (("first day", plan.first), (f"day {one.days}", last)):
        lines.append(
            f"  {name}: hit ratio {day.hit_ratio:.2%}, {day.origin_requests:,} of"
            f" {day.asked:,} requests reach the origin ({day.origin_bytes / GIB:,.1f}"
            f" GiB, {day.origin_requests * cost.cpu:,.0f} s of CPU),"
            f" at most {day.peak} in a second"
        )
    lines.append(
        f"  {verdict(last.hit_ratio > HIT_RATIO)}: hit ratio above {HIT_RATIO:.0%}"
    )
    few = last.origin_requests < ORIGIN_REQUESTS
    lines.append(f"  {verdict(few)}: fewer than {ORIGIN_REQUESTS:,} requests a day")
    lines.append(f"  origin servers needed: {plan.servers}")
    return "\n".join(lines)


def verdict(holds: bool) -> str:
    """Return the word for a target."""
    return "holds" if holds else "FAILS"


def render_plans(plans: Sequence[Plan]) -> str:
    """Return a table of several audiences."""
    lines = [HEADS, *map(list_cells, plans)]
    return "\n".join(" ".join(f"{cell:>11}" for cell in line) for line in lines)


def list_cells(plan: Plan) -> tuple[str, ...]:
    """Return what HEADS announce."""
    one, first, last = plan.audience, plan.first, plan.last
    return (
        *(f"{n:,}" for n in (one.viewers, one.clips, one.edges)),
        f"{one.edge_bytes / GIB:g}",
        *(f"{day.hit_ratio:.1%}" for day in (first, last)),
        *(f"{day.origin_requests:,}" for day in (first, last)),
        *(f"{n:,}" for n in (plan.peak, plan.servers)),
        "hold" if plan.holds else "FAIL",
    )


def read_plans(path: Path) -> list[Plan]:
    """Return the plans that were written with --json."""
    plans = []
    for one in json.loads(path.read_text("utf-8")):
        first, last = (Day(*(one[day][n] for n in Day._fields)) for day in DAYS)
        audience = Audience(**one["audience"])
        plans.append(Plan(audience, first, last, one["peak"], one["servers"]))
    return plans


def describe_cost(cost: Cost, run: Run, path: Path) -> str:
    """Return where the numbers of servers come from."""
    cpu, date = (run.about.get(name, "unknown") for name in ("cpu", "date"))
    return (
        f"A server gives {cost.rate:,.0f} slices of 1 MiB a second,"
        f" {1000 * cost.cpu:.2g} ms of CPU each; half of that is planned with."
        f" Measured {date} on {cpu} ({path.name})."
    )
