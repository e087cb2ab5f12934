"""A process of its own for FFmpeg: a hostile file can end it, and no more."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from server.errors import Fault
from server.installation import REMEDY
from server.library.ffmpeg.child import OUT_OF_MEMORY, describe_failure
from server.library.ffmpeg.memory import measure_budget, share_budget
from server.library.ffmpeg.source import DONE, REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from server.library.mp4.boxes import Read

PROBE_SECONDS = 20
_PATIENCE = 6  # times its seconds, as others may want the processor too
_IDLE_PATIENCE = 60
_EXIT_SECONDS = 2
_START_SECONDS = 60  # a busy machine takes its time to load libraries
_ROOT = Path(__file__).parents[3]

_log = logging.getLogger(__name__)


class OverrunError(Exception):
    """It took more time or memory than it was given, or crashed FFmpeg."""


class SandboxFault(Fault):
    """Bytereel, or what it is installed with, fails; the file has no part in it."""

    def __init__(self, failure: str, remedy: str = "report it") -> None:
        super().__init__(f"bytereel itself failed ({failure})", remedy)
        self.failure = failure


class Sandbox:
    """Does jobs one after the other; for several at once have several.

    Several have to share memory: each is told how many bytes it may take. niceness is
    by how much it gives way to other processes, from 0 to 19.
    """

    def __init__(
        self,
        memory_bytes: int | None = None,
        niceness: int = 0,
        *,
        idle: bool = False,
    ) -> None:
        """Have an idle one wait for a processor as long as others want it.

        Its process ends with the thread that starts it, which has to be that of run.
        """
        self._process: subprocess.Popen[bytes] | None = None
        self._idle = idle
        self._memory_bytes = memory_bytes or share_budget(measure_budget(), 1)
        self._niceness = niceness

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def process_id(self) -> int | None:
        """Return the number of the process, if there is one now."""
        return self._process.pid if self._process else None

    def run(
        self, name: str, read: Read, size: int, seconds: int, **values: object
    ) -> Any:
        """Return the answer of a job about size bytes, which read returns.

        It gets so many seconds of computing, and six times as many by the clock, or
        many more if it is idle. OverrunError if the file is too much for FFmpeg,
        SandboxFault if the job fails for any other reason.
        """
        process = self._start()
        patience = _IDLE_PATIENCE if self._idle else _PATIENCE
        timer = Timer(patience * seconds, process.kill)
        timer.start()
        try:
            job = {"name": name, "size": size, "seconds": seconds, "values": values}
            told = _converse(process, json.dumps(job).encode() + b"\n", read)
        except (BrokenPipeError, EOFError):
            status = self._reap(process)
            if status < 0 or status == OUT_OF_MEMORY:
                raise OverrunError from None
            reason = f"its process for FFmpeg ended with status {status}"
            raise SandboxFault(reason) from None
        except BaseException:
            self._end(process)
            raise
        finally:
            timer.cancel()
        if failure := told.get("failure"):
            raise _build_fault(f"The job {name}", failure)
        return told["answer"]

    def kill(self) -> None:
        """End the process from another thread, whatever it does: then run fails."""
        if (process := self._process) is not None:
            with suppress(ProcessLookupError):
                process.kill()

    def close(self) -> None:
        """End the process, which has nothing to do."""
        if self._process and self._process.stdin:
            self._process.stdin.close()  # it sees that there is no more
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_SECONDS)
            self._end(self._process)

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        """Return the status of a process that ends: its own, not that of a kill."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(_EXIT_SECONDS)
        return self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill the process, whatever it does, and return its exit status."""
        self._process = None
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        return status

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = start_python(
                    "server.library.ffmpeg.child",
                    str(self._memory_bytes),
                    *([str(self._niceness)] if self._niceness else []),
                    *(["idle"] if self._idle else []),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is ours to tell
                )
            except OSError as error:
                reason = f"no process can be started: {error.strerror}"
                raise SandboxFault(reason) from error
            self._await_start(self._process)
        return self._process

    def _await_start(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until its libraries are loaded: what ends before has seen no file."""
        assert process.stdout is not None
        timer = Timer(_START_SECONDS, process.kill)
        timer.start()
        try:
            head = process.stdout.read(REQUEST.size)
        finally:
            timer.cancel()
        if len(head) < REQUEST.size:
            status = self._reap(process)
            reason = f"its process for FFmpeg ended with status {status} as it began"
            raise SandboxFault(reason, REMEDY)


def explain_bug(error: Exception) -> SandboxFault:
    """Return what to say of an exception that should not be; its trace is logged."""
    return _build_fault("Work on a file", describe_failure(error))


def _build_fault(work: str, failure: Mapping[str, str]) -> SandboxFault:
    if failure["installation"]:
        return SandboxFault(failure["installation"], REMEDY)
    _log.error("%s failed\n%s", work, failure["trace"].rstrip())
    return SandboxFault("{kind}: {message}, in {place}".format_map(failure))


def start_python(
    module: str,
    *arguments: str,
    before: Sequence[str] = (),
    variables: Mapping[str, str] = {},
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a module of ours as a process; before it stands what begins the command.

    variables are added to its environment.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables}
    command = [*before, sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=environment, **options)


def _converse(process: subprocess.Popen[bytes], job: bytes, read: Read) -> Any:
    """Send a job and the bytes it asks for, until it is done."""
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(job)
    process.stdin.flush()
    while True:
        head = process.stdout.read(REQUEST.size)
        if len(head) < REQUEST.size:
            raise EOFError
        offset, length = REQUEST.unpack(head)
        if offset == DONE:
            told = process.stdout.read(length)
            if len(told) < length:  # it was killed meanwhile
                raise EOFError
            return json.loads(told)
        data = read(offset, min(length, 1 << 24))
        process.stdin.write(len(data).to_bytes(4, "big") + data)
        process.stdin.flush()
