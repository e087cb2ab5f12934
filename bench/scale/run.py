"""python -m bench scale: how cost grows with range, video, library, clients and cache.

Each point is a row of a run, so its file can be read, compared and planned with.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load.job import Asset, Job
from bench.machine import describe_machine
from bench.measure import measure, measure_yardstick
from bench.options import count, positive, tell
from bench.results import Row, Run, save
from bench.scale.axes import (
    ASKED,
    AXES,
    CLIENTS_A_SECOND,
    MB,
    WARM_SECONDS,
    guess_seconds,
    list_points,
)
from bench.scale.curves import render_scale, write_scale
from bench.stand.contenders import CONTENDERS, YARDSTICK, running
from bench.stand.paths import Stand
from bench.stand.videos import execute, list_assets, load_videos
from server.errors import Fault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from bench.results import Round
    from bench.scale.axes import Point
    from bench.stand.contenders import Contender, Running
    from bench.stand.videos import Loaded

SEED = 1
YARD_BYTES = 64 * 1024  # the yardstick's answer


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's flags."""
    names = [axis.name for axis in AXES]
    parser = sub.add_parser("scale", help="measure how cost grows", description=__doc__)
    parser.set_defaults(run=run_scale)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer points, one round of half a second")
    add(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="AXIS",
        help="axes [all]",
    )
    add("--seconds", type=positive, default=1.0, help="per stretch [1]")
    add("--rounds", type=count, default=3, help="stretches per point [3]")
    add("--json", type=Path, default=Path("scale.json"), help="save here [scale.json]")
    add("--html", type=Path, default=Path("scale.html"), help="save here [scale.html]")


def run_scale(options: argparse.Namespace) -> int:
    """Measure, print, and write numbers and pictures."""
    if options.quick:
        options.seconds, options.rounds = 0.5, 1
    chosen = [axis for axis in AXES if axis.name in options.only]
    axes = {axis.name: list_points(axis, options.quick) for axis in chosen}
    points = [point for some in axes.values() for point in some]
    seconds = guess_seconds(points, options.seconds, options.rounds)
    tell(f"{len(points)} points, about {seconds:.0f} s")
    with ExitStack() as stack:
        stand = Stand(stack, SEED, tell)
        about = describe_machine(stand.url) | {
            "seed": SEED,
            "seconds": options.seconds,
            "rounds": options.rounds,
            "quick": options.quick,
        }
        rows = [
            row
            for some in axes.values()
            for row in measure_axis(stand, some, options.seconds, options.rounds)
        ]
    run = Run(about, rows, {}, [])
    print(render_scale(run))
    save(run, options.json)
    tell(f"the numbers are in {options.json}")
    try:
        write_scale(run, options.html)
        tell(f"the pictures are in {options.html}")
    except Fault as fault:
        tell(f"{fault}")
    return 0


def measure_axis(
    stand: Stand, points: Sequence[Point], seconds: float, rounds: int
) -> Iterator[Row]:
    """Yield a row for each point and path; the table holds what the point says."""
    execute(stand.url, "TRUNCATE videos CASCADE")
    videos: list[Loaded] = []
    with ExitStack() as stack:
        servers = Servers(stand, stack)
        for point in points:
            tell(f"{point.axis} {point.value:,}")
            videos = load_more(stand, videos, point.sizes)
            job = build_job(point, videos, seconds)
            for path, found in measure_point(servers, point, job, rounds).items():
                name = f"{point.axis} {point.value}"
                yield Row(name, path, False, "requests/s", None, found)


class Servers:
    """What has been started for an axis, and the yardstick."""

    def __init__(self, stand: Stand, stack: ExitStack) -> None:
        """Start the yardstick; stack stops all."""
        self.stand, self.stack = stand, stack
        self.started: dict[str, Running] = {}
        content = stand.folder / "yardstick"
        content.write_bytes(bytes(YARD_BYTES))
        self.asset = Asset("/", YARD_BYTES, f"{content}")
        self.yard = self.start(YARDSTICK)

    def start(self, contender: Contender) -> Running:
        """Return it, started now or before."""
        if contender.command not in self.started:
            stand = self.stand
            starting = running(contender, stand.folder, stand.url, stand.cores[0])
            self.started[contender.command] = self.stack.enter_context(starting)
        return self.started[contender.command]

    def measure(self, one: Running, job: Job) -> Round:
        """Return a stretch, next to one of the yardstick."""
        generator = self.stand.generator
        pace = measure_yardstick(generator, self.yard, self.asset)
        return measure(generator, one, job, self.stand.postmaster, pace)


def load_more(
    stand: Stand, videos: Sequence[Loaded], sizes: Sequence[int]
) -> list[Loaded]:
    """Return videos of these sizes; those that are loaded are taken first."""
    have = [video.size for video in videos]
    if have != sizes[: len(have)]:
        videos, have = [], []
    new = load_videos(stand.url, stand.folder, sizes[len(have) :], time.time_ns())
    if new:
        execute(stand.url, "VACUUM (FREEZE, ANALYZE) videos")
        execute(stand.url, "CHECKPOINT")
    return [*videos, *new]


def build_job(point: Point, videos: Sequence[Loaded], seconds: float) -> Job:
    """Return what the load generator does at a point; many clients take their time."""
    asked = list_assets(videos[:: max(len(videos) // ASKED, 1)])
    most = point.clients / CLIENTS_A_SECOND
    return Job(
        0,
        asked,
        point.mix,
        point.length,
        point.clients,
        max(seconds, most),
        max(WARM_SECONDS, most),
    )


def measure_point(
    servers: Servers, point: Point, job: Job, rounds: int
) -> dict[str, list[Round]]:
    """Return the rounds of each path; the paths take turns."""
    started = {p: servers.start(find_contender(p, point)) for p in point.paths}
    taken: dict[str, list[Round]] = {path: [] for path in point.paths}
    for number in range(rounds):
        for path, one in started.items():
            mine = job._replace(seed=number, fill=number == 0)
            taken[path].append(servers.measure(one, mine))
    return taken


def find_contender(path: str, point: Point) -> Contender:
    """Return the origin; for memory, with room for the point's share of its videos."""
    (origin,) = (one for one in CONTENDERS if one.name == "origin")
    if path == "origin":
        return origin
    room = max(round(sum(point.sizes) * point.share / MB), 1)
    command = origin.command.replace("--cache-mb 0", f"--cache-mb {room}")
    return origin._replace(name=path, command=command)
