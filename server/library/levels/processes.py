"""Encoders as processes of a server: started with it, ended with it, replaced."""

from __future__ import annotations

import logging
import os
import subprocess
from contextlib import suppress
from time import monotonic

from server.library.ffmpeg.sandbox import start_python

DATABASE_URL = "BYTEREEL_DATABASE_URL"
RESTART_SECONDS = 5.0  # from one start to the next of what ends at once
STOP_SECONDS = 3.0  # then it is killed; the lease of what it made comes to its end

_log = logging.getLogger(__name__)


class Encoders:
    """So many processes that work the queue; none runs before keep is called."""

    def __init__(self, url: str, count: int) -> None:
        """Have count encoders on the database of a URL."""
        self._url = url
        self._running: list[subprocess.Popen[bytes] | None] = [None] * count
        self._due = [0.0] * count  # by monotonic

    def keep(self) -> None:
        """Start those that do not run, unless they have just ended."""
        for slot, process in enumerate(self._running):
            if process is not None and process.poll() is not None:
                _log.warning("An encoder ended with status %d", process.returncode)
                self._running[slot] = process = None
            if process is None and self._due[slot] <= monotonic():
                self._due[slot] = monotonic() + RESTART_SECONDS
                self._running[slot] = self._start()

    def _start(self) -> subprocess.Popen[bytes] | None:
        try:
            return start_python(
                "server.library.levels.worker",
                str(os.getpid()),
                str(len(self._running)),
                variables={DATABASE_URL: self._url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to tell
            )
        except OSError as error:
            _log.warning("No encoder can be started (%s)", error.strerror)
            return None

    def stop(self) -> None:
        """Have all give back what they are making, and end."""
        running = [process for process in self._running if process is not None]
        for process in running:
            process.terminate()
        until = monotonic() + STOP_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(until - monotonic(), 0))
            process.kill()
            process.wait()
        self._running = [None] * len(self._running)
