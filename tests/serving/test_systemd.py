"""What systemd passes: sockets by number, and an address to tell that we are ready."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from server.serving.systemd import Notifier, take_sockets
from tests.command import ROOT, starting

if TYPE_CHECKING:
    from pathlib import Path

# Gives a command its sockets as descriptors 3 and up, and tells it so.
PASS = """
import os, sys
count = int(sys.argv[1])
for place, each in enumerate(sys.argv[2:2 + count]):
    os.dup2(int(each), 3 + place)
os.environ |= {"LISTEN_FDS": str(count), "LISTEN_PID": str(os.getpid())}
os.environ["LISTEN_FDNAMES"] = ":".join(["web"] * count)
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


def passing(*numbers: int) -> tuple[str, ...]:
    """Return how a command begins that is passed these descriptors."""
    return (sys.executable, "-c", PASS, str(len(numbers)), *map(str, numbers))


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_all_passed_sockets_are_answered_and_readiness_is_told(
    workers: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told,
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        told.bind(str(tmp_path / "notify"))
        told.settimeout(1)
        numbers = first.fileno(), second.fileno()
        run_by = passing(*numbers)
        arguments = ("serve", "--workers", workers)
        with starting(
            database_url, *arguments, run_by=run_by, pass_fds=numbers
        ) as server:
            urls = [f"http://127.0.0.1:{s.getsockname()[1]}/" for s in (first, second)]
            line = f"bytereel is at {', '.join(urls)} (Ctrl-C stops it)\n"
            assert server.lines == [line]
            assert told.recv(100) == b"READY=1"
            for url in urls:
                with urlopen(f"{url}readyz", timeout=15) as answer:
                    assert answer.status == 200


@pytest.mark.long
def test_what_is_no_listening_socket_gets_a_sentence(tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("w") as file,
        socket.socket() as unready,
    ):
        for number in (file.fileno(), unready.fileno()):
            done = subprocess.run(
                [*passing(number), sys.executable, "-m", "server", "serve"],
                cwd=ROOT,
                pass_fds=[number],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (done.returncode, done.stderr) == (
                1,
                "bytereel: descriptor 3 from systemd is no listening socket: use "
                "ListenStream= and Accept=no in the .socket unit\n",
            )


def test_sockets_for_another_process_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert take_sockets() is None


def test_readiness_is_told_to_an_abstract_socket_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("")  # the kernel picks a name
        told.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{told.getsockname()[1:].decode()}")
        Notifier().tell("READY=1")
        assert told.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    Notifier().tell("READY=1")
