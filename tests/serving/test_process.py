"""What a server with one worker does at SIGTERM, SIGINT and SIGHUP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psycopg2
import pytest

from server.serving.process import SHUTDOWN_SECONDS
from tests.admin.client import TOKEN, Admin
from tests.admin.test_uploads import UPLOADS, upload
from tests.clips import make
from tests.command import serving
from tests.conftest import insert_video
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Server

ROOT = Path(__file__).parents[2]
SLACK_SECONDS = 3  # for a machine that has much else to do
GET = "GET /v3/videos/%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = f"POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
JSON = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Have nobody read or write videos."""
    with closing(psycopg2.connect(url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE videos IN ACCESS EXCLUSIVE MODE")
        yield


def send(stack: ExitStack, server: Server, text: str) -> socket.socket:
    """Send to the server, and take little of what it answers."""
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    client.connect(("127.0.0.1", server.port))
    client.sendall(text.encode())
    return client


@pytest.mark.long
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_end_comes_in_time_whatever_clients_do(
    number: signal.Signals, database_url: str, tmp_path: Path
) -> None:
    video = insert_video(database_url, "run_person.mp4", bytes(20_000_000))
    clip = make(tmp_path / "good.mp4").read_bytes()
    said = tmp_path / "stderr"
    with ExitStack() as stack, said.open("w") as stderr:
        arguments = ("--admin-token", TOKEN)
        server = stack.enter_context(serving(database_url, *arguments, stderr=stderr))
        admin = Admin(server.port, database_url, tmp_path)
        uploaded = upload(admin, "good.mp4", clip)["upload"]
        assert send(stack, server, GET % video).recv(4) == b"HTTP"  # and it stalls
        stack.enter_context(locked(database_url))
        send(stack, server, (GET % video)[:30])
        send(stack, server, GET % (video + 1))
        send(stack, server, POST % f"{UPLOADS}/{uploaded}" + JSON)  # in a thread
        slow = POST % f"{UPLOADS}?filename=slow.mp4" + "Content-Length: 99999\r\n\r\nx"
        send(stack, server, slow)
        time.sleep(1)
        server.process.send_signal(number)
        began = time.monotonic()
        assert server.process.wait(30) == 0
        assert time.monotonic() - began <= SHUTDOWN_SECONDS + SLACK_SECONDS
    assert "Traceback" not in said.read_text()


@pytest.mark.long
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(
    first: signal.Signals, second: signal.Signals, database_url: str
) -> None:
    video = insert_video(database_url, "run_person.mp4", bytes(20_000_000))
    with ExitStack() as stack:
        server = stack.enter_context(serving(database_url))
        assert send(stack, server, GET % video).recv(4) == b"HTTP"
        server.process.send_signal(first)
        time.sleep(1)
        assert server.process.poll() is None
        server.process.send_signal(second)
        assert server.process.wait(3) == 128 + second


@pytest.mark.long
def test_hangup_of_one_worker_is_told_and_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    said = tmp_path / "stderr"
    with said.open("w") as stderr, serving(database_url, stderr=stderr) as server:
        for _ in range(2):
            server.process.send_signal(signal.SIGHUP)
            with urlopen(f"{server.address}readyz") as answer:
                assert json.load(answer) == {"status": "ready"}
        wait_until(lambda: said.read_text().count("SIGHUP") == 2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
    assert len(said.read_text().splitlines()) == 2


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_signal_in_the_first_moments_ends_nothing(
    database_url: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    env = {**os.environ, "DATABASE_URL": database_url}
    with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE) as server:
        try:
            wait_until(lambda: is_ignored(server.pid, number))
            server.send_signal(number)
            assert server.stdout is not None
            assert b"bytereel is at" in server.stdout.readline()
            server.terminate()
            assert server.wait(15) == 0
        finally:
            server.kill()


def is_ignored(pid: int, number: signal.Signals) -> bool:
    """Report whether a process ignores a signal: a bit of a line of proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, mask = line.partition(":")
        if name == "SigIgn":
            return bool(int(mask, 16) >> (number - 1) & 1)
    return False
