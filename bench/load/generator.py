"""The load generator's process: its job, what it saw, and how it is told and asked."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 5


class Asset(NamedTuple):
    """What can be asked for, and the bytes that must come."""

    target: str
    size: int
    path: str  # of the file with its bytes
    etag: str = ""


class Job(NamedTuple):
    """A stretch of load."""

    port: int
    assets: list[Asset]
    mix: str  # of bench.load.mixes.MIXES
    length: int = 0  # bytes of each range
    clients: int = 16
    seconds: float = 1.0
    warm: float = 0.2  # seconds before the stretch, at least
    fill: bool = False  # ask for everything once before that
    rate: float | None = None  # units that come due a second; None: when one has ended
    pace: int | None = None  # bytes a second that a client takes
    whole: bool = False  # the server knows no ranges: it must send all
    seed: int = 1
    host: str = "127.0.0.1"
    name: str = "localhost"  # in Host:
    tls: bool = False


class Seen(NamedTuple):
    """What came of it."""

    requests: int  # units: an opening of several requests counts once
    bytes: int  # of bodies
    seconds: float
    histogram: dict[int, int]  # bench.results.bucket -> count; every latency is in it
    cpu: float  # seconds that the generator used
    repeated: int  # requests sent again, since their kept connection had been closed


class Generator:
    """The process, waiting for jobs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take a process that runs this module."""
        self.process = process

    def run(
        self,
        job: Job,
        begun: Callable[[], object] = lambda: None,
        meanwhile: Callable[[], object] = lambda: None,
        every: float = 0.1,
    ) -> Seen:
        """Return what was seen; call begun when it is warm, and then meanwhile.

        Raises Fault at the first answer that is wrong.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        line = ""
        with suppress(BrokenPipeError):  # it has ended
            print(json.dumps(job), file=stdin, flush=True)
            line = stdout.readline()
        if line == "begun\n":
            begun()
            print(file=stdin, flush=True)
            while not select.select([stdout], [], [], every)[0]:
                meanwhile()
            line = stdout.readline()
        if not line:
            raise Fault("the load generator ended: see the messages above")
        said = json.loads(line)
        if isinstance(said, str):
            raise Fault(said)
        seen = Seen(*said)
        histogram = {int(key): count for key, count in seen.histogram.items()}
        return seen._replace(histogram=histogram)


@contextmanager
def generating() -> Iterator[Generator]:
    """Yield a generator, on the cores that we are on; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load.generator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C is ours; we stop it then
    )
    try:
        yield Generator(process)
    finally:
        process.kill()  # it holds nothing
        process.communicate()


def run(job: Job) -> Seen:
    """Run one job in a generator of its own."""
    with generating() as generator:
        return generator.run(job)


def read_job(text: str) -> Job:
    """Return a job from its JSON."""
    job = Job(*json.loads(text))
    return job._replace(assets=[Asset(*asset) for asset in job.assets])


def announce() -> None:
    """Report that it is warm, and return when the other side has read its clocks."""
    print("begun", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Do one job after the other until nobody asks for more."""
    from bench.load.schedule import drive

    for line in sys.stdin:
        try:
            said: object = drive(read_job(line), announce)
        except Fault as fault:
            said = f"{fault}"
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
