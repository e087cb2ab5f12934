"""A stretch of load, and the processor time and memory it took."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.load.generator import ROOT
from bench.load.job import Asset, Job
from bench.results import Round, bucket
from server.errors import Fault
from server.postgres.plain import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.load.generator import Generator
    from bench.load.job import Seen
    from bench.stand.contenders import Running

STALL_SECONDS = 60
SETTLE_SECONDS, QUIET_SECONDS = 5.0, 0.06
QUIET_SHARE = 0.2  # of a core: a server that uses less rests
YARDSTICK_SECONDS = 0.25
TICKS = os.sysconf("SC_CLK_TCK")  # a second, in /proc/PID/stat
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Pace(NamedTuple):
    """How fast the machine is, by the yardstick."""

    requests: float  # a second
    cpu: float  # seconds a request


class Meter:
    """What a server, its edge and PostgreSQL use from its begin on."""

    def __init__(self, started: Running, postmaster: int) -> None:
        """Know the processes; nothing counts before begin."""
        self.count_origin = started.count_origin
        self.server = started.process.pid
        self.trees = {"server": self.server, "database": postmaster}
        if started.edge is not None:
            self.trees["edge"] = started.edge.process.pid
        self.memory = 0
        self.requests: int | None = None
        self.before: dict[str, float] = {}

    def begin(self) -> None:
        """Begin."""
        self.before = {name: cpu_seconds(pid) for name, pid in self.trees.items()}
        self.requests = self.count_origin()
        self.look()

    def look(self) -> None:
        """Note the memory now in use."""
        self.memory = max(self.memory, resident_bytes(self.server))

    def used(self, name: str) -> float | None:
        """Return CPU seconds; None where the processes are not ours to see."""
        if not self.trees.get(name):
            return None
        return cpu_seconds(self.trees[name]) - self.before[name]

    def reached_origin(self) -> int | None:
        """Return how many requests did; None where that is not counted."""
        count = self.count_origin()
        if count is None or self.requests is None:
            return None
        return count - self.requests


def measure(
    generator: Generator,
    started: Running,
    job: Job,
    postmaster: int,
    pace: Pace | None = None,
) -> Round:
    """Measure one stretch, next to the yardstick's. Raises Fault at a wrong answer."""
    meter = Meter(started, postmaster)
    if started.edge is not None and started.contender.name == "edge-cold":
        started.edge.purge()
    seen = run_for(generator, started, job, meter)
    server = meter.used("server")
    assert server is not None
    meter.look()
    measured = Round(
        seen.requests,
        seen.bytes,
        seen.seconds,
        seen.histogram,
        server,
        meter.used("database"),
        meter.used("edge"),
        seen.cpu / seen.seconds,
        meter.memory or None,
        meter.reached_origin(),
        *(pace or (None, None)),
    )
    settle(started.process.pid)
    return measured


def settle(pid: int, seconds: float = SETTLE_SECONDS) -> None:
    """Return when a server and its descendants rest, or have had time enough.

    Some go on with requests whose clients have left, which would slow the next one.
    """
    until = time.monotonic() + seconds
    used = cpu_seconds(pid)
    while time.monotonic() < until:
        time.sleep(QUIET_SECONDS)
        before, used = used, cpu_seconds(pid)
        if used - before < QUIET_SHARE * QUIET_SECONDS and not wants_core(pid):
            break


def run_for(
    generator: Generator, started: Running, job: Job, meter: Meter | None = None
) -> Seen:
    """Have the generator do a job on a contender. Raises Fault at a wrong answer."""
    job = job._replace(port=started.port, whole=started.contender.whole)
    try:
        if meter is None:
            return generator.run(job)
        return generator.run(job, meter.begin, meter.look)
    except Fault as fault:
        raise Fault(f"{started.contender.name}: {fault}") from fault


def measure_yardstick(
    generator: Generator,
    started: Running,
    asset: Asset,
    seconds: float = YARDSTICK_SECONDS,
) -> Pace:
    """Return what the yardstick does right now."""
    job = Job(started.port, [asset], "whole", seconds=seconds, warm=0.05)
    meter = Meter(started, 0)
    seen = generator.run(job, meter.begin)
    used = meter.used("server")
    assert used is not None
    return Pace(seen.requests / seen.seconds, used / seen.requests)


class Counted(NamedTuple):
    """What wrk saw."""

    requests: int
    seconds: float
    bad: int


def count_by_wrk(job: Job) -> float:
    """Return the requests a second that wrk gets for random ranges of one asset.

    Raises Fault when an answer failed.
    """
    (asset,) = job.assets
    seconds = max(round(job.seconds), 1)
    command = f"wrk -t1 -c{job.clients} -d{seconds}s --timeout={STALL_SECONDS}"
    url = f"http://{job.host}:{job.port}{asset.target}"
    done = subprocess.run(
        [*command.split(" "), "-s", f"{ROOT}/bench/ranges.lua", url, "--"]
        + [f"{number}" for number in (asset.size, job.length, job.seed)],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = parse_wrk(done.stdout)
    if seen.bad:
        raise Fault(f"wrk says that {seen.bad} of {seen.requests} answers are bad")
    return seen.requests / seen.seconds


def parse_wrk(text: str) -> Counted:
    """Return what ranges.lua printed at the end."""
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", text, re.MULTILINE)
    if found is None:
        raise Fault(f"wrk printed something unexpected: {text!r}")
    requests, _, microseconds, bad = map(int, found.groups())
    return Counted(requests, microseconds / 1e6, bad)


def measure_loop(started: Running, job: Job, postmaster: int) -> Round:
    """Have the loop without a server read a video again and again for job.seconds."""
    (video,) = job.assets
    number = video.target.rpartition("/")[2]
    process, histogram, spent = started.process, dict[int, int](), 0.0
    assert process.stdin is not None
    assert process.stdout is not None
    meter, begun, requests = Meter(started, postmaster), time.process_time(), 0
    meter.begin()
    while spent < job.seconds:
        print(number, file=process.stdin, flush=True)
        size, _, took = process.stdout.readline().partition(" ")
        if size != f"{video.size}":
            raise Fault(f"{started.contender.name} read {size or 'no'} bytes")
        requests, spent = requests + 1, spent + float(took)
        place = bucket(float(took))
        histogram[place] = histogram.get(place, 0) + 1
    server = meter.used("server")
    assert server is not None
    return Round(
        requests,
        requests * video.size,
        spent,
        histogram,
        server,
        meter.used("database"),
        None,
        (time.process_time() - begun) / spent,
        meter.memory or None,
        None,
        None,
    )


def cpu_seconds(pid: int) -> float:
    """Return what a process and all its descendants used; 0 for process 0.

    The ended ones count in the parent that waited for them (proc_pid_stat(5)).
    """
    return sum(map(used_seconds, list_tree(pid))) if pid else 0.0


def list_tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        lists = [Path(f"/proc/{pid}/task/{one}/children") for one in threads]
        children = " ".join(one.read_text() for one in lists).split()
    except OSError:  # it has just ended
        return
    for child in children:
        yield from list_tree(int(child))


def used_seconds(pid: int) -> float:
    """Return what a process used, with its ended children.

    The kernel counts living threads by the nanosecond, and all in ticks of 10 ms.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        threads = [
            int(path.read_text().split()[0])
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
        ]
    except OSError:  # it has just ended
        return 0.0
    own, system, children, theirs = map(int, text.rpartition(")")[2].split()[11:15])
    exact = max(sum(threads) / 1e9, (own + system) / TICKS)
    return exact + (children + theirs) / TICKS


def wants_core(pid: int) -> bool:
    """Report whether a process or a descendant runs, or waits for a core to run on."""
    return "R" in map(read_state, list_tree(pid))


def read_state(pid: int) -> str:
    """Return the letter of what the first thread does (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has just ended
        return "X"
    return text.rpartition(")")[2].split()[0]


def resident_bytes(pid: int) -> int:
    """Return what a process and its descendants hold; shared pages count for each."""
    return sum(map(resident_pages, list_tree(pid))) * PAGE_BYTES


def resident_pages(pid: int) -> int:
    """Return the second number of /proc/PID/statm."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # it has just ended
        return 0


def find_postmaster(url: str) -> int:
    """Return PostgreSQL's process, or 0 when it runs elsewhere."""
    with closing(connect(url)) as connection:
        host = connection.info.host or "/"
        backend = Path(f"/proc/{connection.info.backend_pid}/stat")
        if not host.startswith(("/", "localhost", "127.")) or not backend.exists():
            return 0
        name, _, rest = backend.read_text().rpartition(")")
    return int(rest.split()[1]) if "(postgres" in name else 0
