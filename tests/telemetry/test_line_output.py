"""Log lines reach who reads them, and nobody who does not read can stop us."""

from __future__ import annotations

import os
import re
import resource
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from server.telemetry.line_output import MOST_BYTES, LineOutput
from server.telemetry.log_target import CLOSED, LogFile, Stream
from tests.waiting import HANG_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = "x" * 999


@contextmanager
def writing(target: Stream | LogFile) -> Iterator[LineOutput]:
    """Yield an output whose thread runs."""
    output = LineOutput(target)
    output.start()
    try:
        yield output
    finally:
        output.stop(time.monotonic() + 0.3)
        output.join()


@contextmanager
def piping() -> Iterator[tuple[int, int]]:
    """Yield both ends of a pipe."""
    reading, written = os.pipe()
    try:
        yield reading, written
    finally:
        for descriptor in (reading, written):
            with suppress(OSError):  # the test has closed it
                os.close(descriptor)


def read(descriptor: int, count: int) -> bytes:
    """Return so many lines."""
    data = b""
    while data.count(b"\n") < count:
        data += os.read(descriptor, 65536)
    return data


def sum_told(messages: list[str]) -> int:
    """Return how many lines of the pipe were dropped, as was told."""
    found = [re.fullmatch(r"pipe: (\d+) log lines.*", each) for each in messages]
    return sum(int(match[1]) for match in found if match)


def test_lines_come_in_their_order() -> None:
    with piping() as (reading, written), writing(Stream(written, "pipe")) as output:
        for number in range(100):
            output.put(f"{number} ä\udcff")
        lines = read(reading, 100).decode().splitlines()
    assert lines == [f"{number} ä\\udcff" for number in range(100)]
    assert output.dropped == 0


def test_reader_that_stands_still_costs_lines_but_no_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    most = MOST_BYTES // 1000
    with piping() as (reading, written), writing(Stream(written, "pipe")) as output:
        began = time.monotonic()
        for _ in range(2 * most):
            output.put(LINE)
        assert time.monotonic() - began < HANG_SECONDS, "nobody has read anything"
        assert 0 < output.dropped <= most
        kept = 2 * most - output.dropped
        assert set(read(reading, kept).splitlines()) == {LINE.encode()}
        wait_until(lambda: sum_told(caplog.messages) == output.dropped)
        assert len(caplog.messages) <= 2  # when the thread begins is up to the system
        output.put("last")
        assert read(reading, 1) == b"last\n"


def test_lines_dropped_after_others_were_taken_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The thread may begin late, when lines are missing already."""
    begin = threading.Event()

    class Late(Stream):
        def refresh(self, *, asked: bool) -> None:
            assert begin.wait(HANG_SECONDS)

    with piping() as (reading, written), writing(Late(written, "pipe")) as output:
        kept = MOST_BYTES // 1000
        for _ in range(kept + 10):
            output.put(LINE)
        begin.set()
        wait_until(lambda: not output._lines)  # they are being written
        for _ in range(5):
            output.put(LINE)
        read(reading, kept)
        wait_until(lambda: sum_told(caplog.messages) == output.dropped == 15)
        assert len(caplog.messages) == 2


def test_reader_that_stands_still_does_not_delay_the_end() -> None:
    with piping() as (_, written):
        output = LineOutput(Stream(written, "pipe"))
        output.start()
        for _ in range(200):
            output.put(LINE)
        began = time.monotonic()
        output.stop(began + 0.3)
        output.join()
        assert time.monotonic() - began < 5
        assert 0 < output.dropped < 200


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with writing(LogFile(path)) as output:
        for number in range(1000):
            output.put(f"{number}")
    assert path.read_text().split() == [f"{number}" for number in range(1000)]


@pytest.mark.long
@pytest.mark.parametrize("broken", ["reader gone", "closed", "full"])
def test_error_is_told_once_and_lines_are_counted(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    with piping() as (reading, written), open("/dev/full", "wb") as full:
        os.close(reading)
        number = {"closed": CLOSED, "full": full.fileno()}.get(broken, written)
        with writing(Stream(number, "this")) as output:
            for count in (1, 2, 3):
                output.put(LINE)
                wait_until(lambda least=count: output.dropped >= least)  # type: ignore[misc]
    (told,) = caplog.messages
    assert told.startswith("this cannot be written (")


def test_log_goes_on_when_there_is_room_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with writing(LogFile(path)) as output:
        output.put("first")
        wait_until(lambda: path.read_text() == "first\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # bytes of a file
        try:
            output.put("torn apart")
            wait_until(lambda: output.dropped == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        output.put("last")
        wait_until(lambda: len(caplog.messages) == 2)
    assert path.read_text() == "first\ntorn\nlast\n"
    assert caplog.messages[1] == f"{path}: 1 log lines were dropped"


def test_descriptor_that_does_not_wait_is_no_error() -> None:
    with piping() as (reading, written):
        os.set_blocking(written, False)
        with writing(Stream(written, "pipe")) as output:
            for _ in range(200):
                output.put(LINE)
            assert len(read(reading, 200)) == 200 * 1000
    assert output.dropped == 0


def test_without_a_thread_a_line_is_written_or_dropped_at_once() -> None:
    with piping() as (reading, written):
        output = LineOutput(Stream(written, "pipe"))
        for _ in range(100):
            output.put(LINE)
        assert 0 < output.dropped < 100
        assert len(read(reading, 100 - output.dropped)) == (100 - output.dropped) * 1000
        assert os.get_blocking(written)


def test_put_within_put_does_not_lock() -> None:
    """A collection of garbage may log at any point."""
    with piping() as (reading, written), writing(Stream(written, "pipe")) as output:
        with output._lock:
            output.put("within")
        assert read(reading, 1) == b"within\n"
