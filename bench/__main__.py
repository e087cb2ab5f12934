"""python -m bench: start everything, check every answer, measure, print, remove."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from bench.contenders import CONTENDERS, Contender, Running, find_missing, running
from bench.measure import Sample, compare, find_postmaster, measure, summarize
from bench.videos import Loaded, check, execute, load_video, own_database
from server import embedded
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SIZES = {"small": 5 * 2**20, "large": 256 * 2**20}  # bytes
OURS = ("bytereel", "cached")


class Workload(NamedTuple):
    """What is asked for."""

    name: str
    what: str
    video: str
    length: int | None  # bytes of each range; None for whole downloads


WORKLOADS = (
    Workload("ranges64", "requests/s of random 64 KiB ranges", "small", 64 * 1024),
    Workload("ranges256", "requests/s of random 256 KiB ranges", "small", 256 * 1024),
    Workload("download", "MiB/s of 256 MiB, one client", "large", None),
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [entry.name for entry in (*CONTENDERS, *WORKLOADS)]
    parser.add_argument("--list", action="store_true", help="only list what there is")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help="only these contenders or workloads",
    )
    parser.add_argument("--seconds", type=int, default=3, help="of one stretch [3]")
    parser.add_argument("--rounds", type=int, default=3, help="stretches each [3]")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = build_parser().parse_args(arguments)
    if options.list:
        for entry in (*CONTENDERS, *WORKLOADS):
            print(f"{entry.name:16} {entry.what}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(options)
    except Fault as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def run(options: argparse.Namespace) -> None:
    """Measure what was chosen and print it."""
    contenders = pick(CONTENDERS, options.only)
    workloads = pick(WORKLOADS, options.only)
    if any(workload.length for workload in workloads) and which("wrk") is None:
        raise Fault("wrk is not installed: apt install wrk, or --only download.")
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bytereel-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o755)  # for root the servers run as somebody else
        tell("starting PostgreSQL, loading videos")
        url = stack.enter_context(open_database(folder))
        needed = sorted({workload.video for workload in workloads})
        videos = {name: load_video(url, folder, SIZES[name]) for name in needed}
        execute(url, "VACUUM FREEZE videos")
        started = []
        for contender in contenders:
            asked = {one.video for one in workloads if one.name in contender.workloads}
            missing = find_missing(contender) if asked else "nothing to do"
            if missing:
                tell(f"{contender.name} is left out: {missing}")
                continue
            tell(f"starting {contender.name} and checking its answers")
            one = stack.enter_context(running(contender, folder, url, cores[0]))
            started.append(one)
            for name in asked if contender.speaks else ():
                check(one, videos[name])
        os.sched_setaffinity(0, {cores[-1]})  # the load generator's
        stack.callback(os.sched_setaffinity, 0, cores)
        for workload in workloads:
            samples = measure_rounds(workload, started, videos, options, url)
            print(render(workload, samples), flush=True)


T = TypeVar("T", Contender, Workload)


def pick(entries: Sequence[T], names: Sequence[str]) -> list[T]:
    """Return the entries that are named; all where none of this kind is."""
    return [entry for entry in entries if entry.name in names] or list(entries)


def tell(sentence: str) -> None:
    """Say what is going on."""
    print(f"… {sentence}", file=sys.stderr, flush=True)


@contextmanager
def open_database(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database, on DATABASE_URL's server or our own."""
    with ExitStack() as stack:
        server = os.environ.get("DATABASE_URL") or stack.enter_context(
            embedded.running(folder / "postgresql", {"fsync": "off"})
        )
        yield stack.enter_context(own_database(server))


def measure_rounds(
    workload: Workload,
    started: Sequence[Running],
    videos: Mapping[str, Loaded],
    options: argparse.Namespace,
    url: str,
) -> dict[str, list[Sample]]:
    """Warm up, then let everyone have a stretch a round."""
    taking = [one for one in started if workload.name in one.contender.workloads]
    video, postmaster = videos[workload.video], find_postmaster(url)
    seconds = len(taking) * (1 + options.rounds * options.seconds)
    tell(f"{workload.name}: about {seconds} s")
    for one in taking:
        measure(one, video, workload.length, 1, postmaster)
    samples: dict[str, list[Sample]] = {one.contender.name: [] for one in taking}
    for _ in range(options.rounds):
        for one in taking:
            sample = measure(one, video, workload.length, options.seconds, postmaster)
            samples[one.contender.name].append(sample)
    return samples


def render(workload: Workload, samples: Mapping[str, Sequence[Sample]]) -> str:
    """Return the table of one workload."""
    ours = [name for name in OURS if name in samples]
    heads = [*(f"{name} ÷ it" for name in ours), "server", "PostgreSQL", "load"]
    lines = [f"\n{workload.name}: {workload.what}; CPU seconds a GiB; load generator"]
    lines.append(f"{'':16}{'median':>10}{'±':>6}" + "".join(f"{h:>15}" for h in heads))
    for name, rounds in samples.items():
        row = summarize(rounds, workload.length)
        ratios = [compare(samples[our], rounds, workload.length) for our in ours]
        database = "–" if row.database is None else f"{row.database:.2f}"
        cells = [*(f"{ratio:.2f}" for ratio in ratios), f"{row.server:.2f}", database]
        cells.append(f"{row.load:.0%}")
        lines.append(
            f"{name:16}{row.rate:>10,.0f}{row.spread:>6.0%}"
            + "".join(f"{cell:>15}" for cell in cells)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
