"""What is measured, started: PostgreSQL with its videos, and every path to them."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.extensions import parse_dsn

from bench.load.answers import Server, check_missing, check_peer, check_server
from bench.load.generator import generating
from bench.load.job import Job
from bench.measure import find_postmaster, run_for
from bench.stand.contenders import CONTENDERS, find_missing, running
from bench.stand.hls import HLS
from bench.stand.network import slow_network
from bench.stand.process import on_core
from bench.stand.videos import execute, load_library, own_database
from server.postgres import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.load.generator import Generator
    from bench.load.job import Asset
    from bench.scenarios import Scenario
    from bench.stand.contenders import Contender, Running

FAR_MILLISECONDS = 50.0
SMALL = ("clip", "phone", *HLS)  # libraries that every cache has room for
PASSED = 100  # videos of a library that are compared whole before anything is timed


class Stretch(NamedTuple):
    """A scenario on a path."""

    scenario: Scenario
    started: Running
    generator: Generator
    job: Job


def build_job(scenario: Scenario, libraries: Mapping[str, list[Asset]]) -> Job:
    """Return what the load generator is told, but for whom to ask, and how long."""
    return Job(
        0,
        libraries[scenario.library],
        scenario.mix,
        scenario.length,
        scenario.clients,
        warm=scenario.warm,
        fill=scenario.library in SMALL,
        rate=scenario.rate,
        pace=scenario.pace,
    )


@contextmanager
def open_database(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database, on DATABASE_URL's server or our own."""
    with ExitStack() as stack:
        server = os.environ.get("DATABASE_URL") or stack.enter_context(
            embedded.running(folder / "postgresql", {"fsync": "off"})
        )
        yield stack.enter_context(own_database(server))


class Stand:
    """What has been started; the stack stops all of it."""

    def __init__(
        self, stack: ExitStack, seed: int, tell: Callable[[str], object]
    ) -> None:
        """Start PostgreSQL and nothing else."""
        self.stack, self.seed, self.tell = stack, seed, tell
        self.left_out: dict[str, str] = {}
        temporary = tempfile.TemporaryDirectory(prefix="bytereel-bench-")
        self.folder = Path(stack.enter_context(temporary))
        self.folder.chmod(0o755)  # for root the servers run as somebody else
        self.cores = sorted(os.sched_getaffinity(0))
        tell("starting PostgreSQL, loading videos")
        self.url = stack.enter_context(open_database(self.folder))
        self.postmaster = find_postmaster(self.url)
        self.libraries: dict[str, list[Asset]] = {}
        with on_core(self.cores[-1]):
            self.generator = stack.enter_context(generating())

    def load(self, names: Sequence[str]) -> None:
        """Load libraries."""
        for name in names:
            assets = load_library(self.url, self.folder, name, self.seed)
            self.libraries[name] = assets
        execute(self.url, "VACUUM (FREEZE, ANALYZE) videos")
        execute(self.url, "CHECKPOINT")

    def start_all(self, scenarios: Sequence[Scenario], *, peers: bool) -> list[Stretch]:
        """Start who takes part, check all answers; return what there is to measure."""
        near = [one for one in scenarios if not one.far]
        started = {
            contender.name: self.start(contender, near)
            for contender in self.pick(near, peers=peers)
        }
        stretches = self.list_stretches(near, started, self.generator)
        for scenario in scenarios:
            if scenario.far:
                stretches += self.start_far(scenario)
        return stretches

    def pick(
        self, scenarios: Sequence[Scenario], *, peers: bool
    ) -> Iterator[Contender]:
        """Yield who takes part in scenarios and can; note who can't."""
        for contender in CONTENDERS:
            asked = any(contender.name in one.paths for one in scenarios)
            if not asked or (contender.peer and not peers):
                continue
            if missing := find_missing(contender):
                self.left_out[contender.name] = missing
            else:
                yield contender

    def start(self, contender: Contender, scenarios: Sequence[Scenario]) -> Running:
        """Start one, and compare every kind of answer it will give."""
        self.tell(f"starting {contender.name} and checking its answers")
        started = self.stack.enter_context(
            running(contender, self.folder, self.url, self.cores[0])
        )
        for name in {one.library for one in scenarios if contender.name in one.paths}:
            self.check(started, name)
        return started

    def check(self, started: Running, library: str) -> None:
        """Raise Fault at an answer that is not right."""
        contender, assets = started.contender, self.libraries[library]
        server = Server(contender.name, started.port)
        if not contender.speaks:
            return
        if contender.peer:
            check_peer(server, assets, self.seed, whole=contender.whole)
        elif library == "missing":
            check_missing(server, assets[0])
        else:
            check_server(server, assets[:2], self.seed)
            passed = Job(started.port, assets[:PASSED], "each", warm=0.0, seconds=600)
            run_for(self.generator, started, passed)

    def list_stretches(
        self,
        scenarios: Sequence[Scenario],
        started: Mapping[str, Running],
        generator: Generator,
    ) -> list[Stretch]:
        """Return the rows of scenarios, in their order."""
        return [
            Stretch(one, started[path], generator, build_job(one, self.libraries))
            for one in scenarios
            for path in one.paths
            if path in started
        ]

    def start_far(self, scenario: Scenario) -> list[Stretch]:
        """Start a scenario's paths where the way to the origin takes its time."""
        if not (parse_dsn(self.url).get("host") or "/").startswith("/"):
            self.left_out[scenario.name] = "PostgreSQL is not on a unix socket"
            return []
        try:
            network = self.stack.enter_context(slow_network(FAR_MILLISECONDS))
        except OSError as error:
            self.left_out[scenario.name] = (
                f"no slow network to be had here ({error}): it needs root, iproute2 and"
                " a kernel with netem"
            )
            return []
        started = {}
        with network.inside():
            for contender in self.pick([scenario], peers=False):
                one = started[contender.name] = self.start(contender, [scenario])
                network.slow_down(one.origin_port)
            with on_core(self.cores[-1]):
                generator = self.stack.enter_context(generating())
        return self.list_stretches([scenario], started, generator)
