"""What happens to a server whose logs nobody takes, and how its log file is rotated."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT, run, serving
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT = "a" * 2000  # the more each line has, the sooner a pipe is full
BANNER = re.compile(r"http://[0-9.]+:([0-9]+)/")


def ask(port: int, target: str = "/healthz", times: int = 1) -> bytes:
    """Return the last of some answers, all of which must come soon."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=15)) as client:
        for _ in range(times):
            client.request("GET", target, headers={"User-Agent": AGENT})
            answer = client.getresponse()
            body = answer.read()
            assert answer.status == 200
    return body


def count_dropped(port: int) -> int:
    [count] = re.findall(
        rb"^bytereel_log_lines_dropped_total (\S+)", ask(port, "/metrics"), re.M
    )
    return int(float(count))


@contextmanager
def starting(url: str, redirections: str, *arguments: str) -> Iterator[int]:
    """Yield the port of a server with an access log, started by a shell."""
    command = f'exec "$@" {redirections}'
    port = 20_000 + os.getpid() % 10_000
    process = subprocess.Popen(
        [
            *("sh", "-c", command, "sh", sys.executable, "-m", "server", "serve"),
            *("--access-log", "json", "--port", str(port), *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            wait_until(lambda: answers(port))
            yield port
            assert process.poll() is None
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        return ask(port) != b""
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_reader_that_stands_still_stops_nothing(
    database_url: str, workers: str
) -> None:
    arguments = ("--access-log", "json", "--workers", workers)
    with serving(database_url, *arguments) as server:
        ask(server.port, times=100)
        assert b"alive" in ask(server.port)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "redirections", [">/dev/full", ">&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"]
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_output_that_takes_nothing_is_counted(
    database_url: str, redirections: str, workers: str
) -> None:
    with starting(database_url, redirections, "--workers", workers) as port:
        wait_until(lambda: count_dropped(port) > 0)


def test_reader_that_has_gone_stops_nothing(database_url: str) -> None:
    with serving(database_url, "--access-log", "json") as server:
        assert server.process.stdout is not None
        os.close(server.process.stdout.fileno())
        ask(server.port)
        wait_until(lambda: count_dropped(server.port) > 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), server.process.stdout.fileno())


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("told", [True, False])
def test_file_is_opened_again(
    database_url: str, tmp_path: Path, workers: str, told: bool
) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    arguments = ("--access-log", "json", "--access-log-file", str(path))
    with serving(database_url, *arguments, "--workers", workers) as server:
        ask(server.port, times=10)
        wait_until(lambda: path.read_text().count("\n") == 10)
        path.rename(old)
        if told:
            server.process.send_signal(signal.SIGUSR1)
            wait_until(path.exists)
        for _ in range(20):
            ask(server.port)
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 20)
    assert old.read_text().count("\n") == 10
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.long
def test_file_that_cannot_be_written_is_a_fault(database_url: str) -> None:
    file = ("--access-log-file", "/nowhere/log")
    text = run("serve", "--access-log", "json", *file, url=database_url, status=1)
    assert "cannot write the access log /nowhere/log (No such" in text
    text = run("serve", *file, url=database_url, status=1)
    assert "--access-log json" in text


@pytest.mark.long
def test_what_was_answered_is_logged_at_the_end(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    arguments = ("--access-log", "combined", "--access-log-file", str(path))
    with serving(database_url, *arguments) as server:
        ask(server.port, times=300)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
    assert path.read_text().count("\n") == 300


def test_signal_to_open_a_file_does_no_harm_without(database_url: str) -> None:
    with serving(database_url) as server:
        server.process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        ask(server.port)
