"""The load generator's process: its job, what it saw, and how it is told and asked."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load.job import Asset, Job, Seen
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 5


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
