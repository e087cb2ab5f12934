"""Log lines on their way out, which never make the server wait."""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.telemetry.log_target import LogFile, Stream

MOST_BYTES = 4 * 2**20  # that wait for who reads too slowly
GATHER_SECONDS = 0.02  # lines of this time are written together
POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0  # after an error, such as a full disk

_log = logging.getLogger(__name__)


class LineOutput:
    """A bounded queue of lines, and the thread that writes them.

    Before start() and after join(), a line is written at once or dropped: a thread
    would not survive the fork of a worker.
    """

    def __init__(self, target: Stream | LogFile) -> None:
        self._target = target
        self.dropped = 0  # lines, ever
        self._missing = 0  # of them, which nobody was told of
        self._lines: list[bytes] = []
        self._held_bytes = 0  # in the queue, or being written
        # A collection of garbage may log from within put, hence what is reentrant.
        self._lock = threading.RLock()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._until = 0.0  # when the thread has to end, by monotonic
        self._asked = False  # to open the file again
        self._failure = ""  # why nothing can be written
        self._is_torn = False  # the last line written is only a part of one

    def put(self, line: str) -> None:
        """Have a line written, without waiting; drop it if too much waits already."""
        try:
            data = line.encode("utf-8", "backslashreplace") + b"\n"
            if self._thread is None:
                self._write_now(data)
                return
            if not self._append(data):
                self._drop(1)
            if not self._is_woken:  # also to tell of what was dropped
                self._is_woken = True
                self._wake.put(None)
        except MemoryError:
            self._drop(1)

    def _append(self, data: bytes) -> bool:
        """Report whether there was room in the queue."""
        with self._lock:
            if self._held_bytes + len(data) > MOST_BYTES:
                return False
            self._lines.append(data)
            self._held_bytes += len(data)
        return True

    def start(self) -> None:
        """Have a thread of this process write from now on."""
        self._stop.clear()
        self._until = float("inf")
        self._asked = True
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self, until: float) -> None:
        """Have the thread write what waits, and end at that time by monotonic."""
        self._until = until
        self._stop.set()
        self._wake.put(None)

    def join(self) -> None:
        """Return when the thread has ended, or its time has come."""
        if self._thread is not None:
            left = max(self._until - time.monotonic(), 0)
            self._thread.join(left + 2 * POLL_SECONDS)  # which it needs to notice
            self._thread = None
        lines, missing = self._take()
        self._missing += missing
        for line in lines:
            self._write_now(line)

    def reopen(self) -> None:
        """Have the file opened again by its path; safe in a signal handler."""
        self._asked = True
        self._wake.put(None)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._wake.get()
                self._stop.wait(GATHER_SECONDS)
                self._is_woken = False
                self._write_all()
            except MemoryError:
                self._is_woken = False
                self._stop.wait(RETRY_SECONDS)
        lines, missing = self._take()
        self._deliver(lines)
        with self._lock:
            self._missing += missing  # which join() tells

    def _write_all(self) -> None:
        self._refresh()
        lines, missing = self._take()
        self._deliver(lines)
        if self._failure:
            with self._lock:
                self._missing += missing
        elif missing:
            self._tell(missing)

    def _take(self) -> tuple[list[bytes], int]:
        """Return the lines of the queue, and how many are missing behind them."""
        with self._lock:
            lines, self._lines = self._lines, []
            missing, self._missing = self._missing, 0
        return lines, missing

    def _drop(self, count: int) -> None:
        with self._lock:
            self.dropped += count
            self._missing += count

    def _refresh(self) -> None:
        asked, self._asked = self._asked, False
        try:
            self._target.refresh(asked=asked)
        except OSError as error:
            if asked:
                _log.warning(
                    "%s cannot be opened again (%s): the log goes on in the old file",
                    self._target.name,
                    error.strerror,
                )

    def _deliver(self, lines: Sequence[bytes]) -> None:
        """Write lines, waiting for who reads; drop them if there is an error."""
        written = 0
        try:
            for count, data in _group(lines, self._target.write_bytes):
                self._write(data)
                written += count
        except (OSError, MemoryError) as error:
            self._drop(len(lines) - written)
            self._fail(error)
        finally:
            with self._lock:
                self._held_bytes -= sum(map(len, lines))

    def _write(self, data: bytes) -> None:
        """Write all of data; TimeoutError if that takes beyond the end."""
        rest = memoryview(b"\n" + data if self._is_torn else data)
        whole = len(rest)
        while rest:
            has_room = self._target.has_room(POLL_SECONDS)
            if time.monotonic() >= self._until:
                raise TimeoutError
            try:
                if not has_room:
                    continue
                rest = rest[self._target.write(rest) :]
            except BlockingIOError:
                time.sleep(GATHER_SECONDS)
            except OSError:
                self._is_torn = self._is_torn or len(rest) < whole
                raise
        self._is_torn, self._failure = False, ""

    def _fail(self, error: OSError | MemoryError) -> None:
        """Tell of an error when it begins, and wait a moment."""
        if isinstance(error, TimeoutError):
            return
        if not self._failure:
            self._failure = getattr(error, "strerror", None) or "out of memory"
            _log.warning(
                "%s cannot be written (%s): log lines are dropped until it can",
                self._target.name,
                self._failure,
            )
        self._stop.wait(RETRY_SECONDS)

    def _tell(self, count: int) -> None:
        _log.warning("%s: %d log lines were dropped", self._target.name, count)

    def tell_missing(self) -> None:
        """Tell of lines that were dropped, once there is no thread to do so."""
        missing, self._missing = self._missing, 0
        if missing:
            self._tell(missing)

    def _write_now(self, data: bytes) -> None:
        whole = b"\n" + data if self._is_torn else data
        try:
            written = self._target.write_now(whole)
        except OSError:
            self._drop(1)
        else:
            self._is_torn = written < len(whole)
            self.tell_missing()


def _group(lines: Sequence[bytes], most: int) -> Iterator[tuple[int, bytes]]:
    """Yield how many lines come next, and these together: at most so many bytes."""
    first, size = 0, 0
    for number, line in enumerate(lines):
        if size + len(line) > most and number > first:
            yield number - first, b"".join(lines[first:number])
            first, size = number, 0
        size += len(line)
    if first < len(lines):
        yield len(lines) - first, b"".join(lines[first:])
