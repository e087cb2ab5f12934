"""The logs of a server: of its answers, and of what goes wrong."""

from __future__ import annotations

import io
import logging
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.telemetry.access_log import AccessLog
from server.telemetry.line_output import LineOutput
from server.telemetry.log_target import CLOSED, LogFile, Stream, occupy_closed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.telemetry.proxies import Networks


CLOSE_SECONDS = 1.0  # for what is left to write at the end


class ServerLogs(NamedTuple):
    """Where a server writes."""

    access: AccessLog
    output: LineOutput
    errors: LineOutput
    file: LineOutput | None  # of the access log, if that is not the standard output

    @property
    def _outputs(self) -> list[LineOutput]:
        """Return all, last the one that tells of others."""
        return [*filter(None, (self.file, self.output)), self.errors]

    def announce(self, line: str) -> None:
        """Write a line to standard output."""
        self.output.put(line)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have threads of this process write; SIGUSR1 opens the file again."""
        signal.signal(signal.SIGUSR1, lambda *_: self.reopen())
        for output in self._outputs:
            output.start()
        try:
            yield
        finally:
            until = time.monotonic() + CLOSE_SECONDS
            for output in self._outputs:
                output.stop(until)
            for output in self._outputs:
                output.join()
                output.tell_missing()

    def reopen(self) -> None:
        """Open the file of the access log again, if it has one."""
        if self.file is not None:
            self.file.reopen()


def open_logs(form: str, path: Path | None, trusted: Networks) -> ServerLogs:
    """Return the logs, after redirect_errors().

    form is one of FORMATS, path the file of the access log instead of standard output.
    Raises Fault for a file that cannot be written.
    """
    if path and form == "none":
        raise Fault(
            "--access-log-file says where, but not what",
            "add --access-log json or --access-log combined",
        )
    output = LineOutput(Stream(1 if sys.stdout else CLOSED, "standard output"))
    errors = redirect_errors()
    file = LineOutput(LogFile(path)) if path else None
    access = AccessLog(form, trusted, file or output, errors)
    return ServerLogs(access, output, errors, file)


def redirect_errors() -> LineOutput:
    """Have standard error and logging go through an output, until the process ends.

    To be called first of all: it also sees to it that no socket becomes a standard
    stream that was closed.
    """
    before = sys.stderr
    if isinstance(before, _LineStream):
        return before.output
    occupy_closed_streams()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is what it is for
    errors = LineOutput(Stream(2 if before else CLOSED, "standard error"))
    sys.stderr = _LineStream(errors)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(sys.stderr)
    return errors


class _LineStream(io.TextIOBase):
    """A text file whose lines go to an output; lines of one write stay together."""

    def __init__(self, output: LineOutput) -> None:
        self.output = output
        self._part = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._part += text
        if self._part.endswith("\n"):
            line, self._part = self._part[:-1], ""
            self.output.put(line)
        return len(text)
