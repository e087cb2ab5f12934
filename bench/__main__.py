"""python -m bench: start everything, check every answer, measure, print, remove."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench import remote, results
from bench.compare import compare, find_worse, list_doubts, render_verdicts
from bench.plan import run as plan
from bench.report.render import render_table, write_html
from bench.run import Options, run
from bench.scale import run as scale
from bench.scenarios import SCENARIOS, Scenario
from bench.soak import run as soak
from bench.stand.contenders import CONTENDERS
from bench.stand.process import raise_limit
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from bench.results import Run

SECONDS, QUICK_SECONDS = 0.8, 0.2  # of a stretch
ROUNDS, QUICK_ROUNDS = 4, 2
PAGE = Path("bench-report.html")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure every path to a video, side by side, on this machine.",
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="measure for a short time: within 90 seconds",
    )
    add("--list", action="store_true", help="only list scenarios and paths")
    add(
        "--only",
        nargs="+",
        choices=[one.name for one in SCENARIOS],
        metavar="SCENARIO",
        help="only these scenarios",
    )
    add("--peers", action="store_true", help="also measure other servers")
    add("--json", type=Path, metavar="FILE", help="save all measurements")
    add(
        "--html",
        type=Path,
        default=PAGE,
        metavar="FILE",
        help=f"save the report here [{PAGE}]",
    )
    add(
        "--compare",
        type=Path,
        metavar="OLD",
        help="compare with an earlier --json; exit with 1 if something is worse",
    )
    add("--url", help="measure the server or CDN at the URL of a video")
    add("--seconds", type=parse_seconds, help=f"seconds per stretch [{SECONDS:g}]")
    add("--rounds", type=parse_rounds, help=f"stretches per row [{ROUNDS}]")
    add("--seed", type=int, default=1, help="seed of bytes and requests [1]")
    parser.set_defaults(run=run_all)
    commands = parser.add_subparsers(metavar="COMMAND")
    scale.add_parser(commands)
    plan.add_parser(commands)
    soak.add_parser(commands)
    return parser


def parse_seconds(text: str) -> float:
    """Return the length of a stretch."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.05 to 600")
    return seconds


def parse_rounds(text: str) -> int:
    """Return the number of rounds."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 100:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from 1 to 100"
        )
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = build_parser().parse_args(arguments)
    raise_limit()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except Fault as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        return 128 + int(interrupted.args[0])


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; its argument is which."""


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Stop what runs, in order; ignore signals that come meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted(number)


def run_all(options: argparse.Namespace) -> int:
    """Measure, print and write; 1 if something is worse than before."""
    if options.list:
        print(render_list())
        return 0
    before = results.load(options.compare) if options.compare else None
    chosen = [one for one in SCENARIOS if is_wanted(one, options)]
    wanted = Options(
        chosen,
        options.peers,
        options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
        options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS),
        options.seed,
        options.quick,
    )
    found = remote.run(options.url, wanted) if options.url else run(wanted)
    print(render_table(found))
    write(found, options)
    return 0 if before is None else judge(before, found)


def is_wanted(scenario: Scenario, options: argparse.Namespace) -> bool:
    """Report whether a scenario was asked for, or none was and there is time."""
    if options.only:
        return scenario.name in options.only
    return not (options.quick and scenario.long)


def render_list() -> str:
    """Return what there is."""
    lines = ["Scenarios:"]
    lines += [f"  {one.name:17} {one.question}" for one in SCENARIOS]
    for title, peer in (("Paths", False), ("Peers (--peers)", True)):
        lines.append(f"\n{title}:")
        lines += [f"  {o.name:17} {o.what}" for o in CONTENDERS if o.peer is peer]
    return "\n".join(lines)


def write(found: Run, options: argparse.Namespace) -> None:
    """Write the files, and say where they are."""
    if options.json:
        results.save(found, options.json)
        print(f"\nAll that was seen: {options.json}")
    try:
        write_html(found, options.html)
    except Fault as fault:
        print(f"\nNo page: {fault}", file=sys.stderr)
    else:
        print(f"\nThe page with the pictures: {options.html}")


def judge(before: Run, found: Run) -> int:
    """Print what became better and worse; return the exit status."""
    verdicts = compare(before, found)
    print(f"\n{render_verdicts(verdicts, list_doubts(before, found))}")
    return 1 if find_worse(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
