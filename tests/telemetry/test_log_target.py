"""The descriptors and files behind a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.errors import Fault
from server.telemetry.log_target import LogFile
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, os, socket, sys
from server.telemetry.log_target import occupy_closed_streams
occupy_closed_streams()
with socket.socket() as one:
    told = [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)]
    streams = [sys.stdin is None, sys.stdout is None, sys.stderr is None]
    with open(sys.argv[1], "w") as file:
        json.dump([one.fileno(), told, streams], file)
"""


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2), (1, 2)])
def test_no_socket_becomes_a_standard_stream(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    redirections = " ".join(f"{number}>&-" for number in closed)
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh"]
    command = [*shell, sys.executable, "-c", PROGRAM, str(tmp_path / "told")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    number, told, streams = json.loads((tmp_path / "told").read_text())
    assert number > 2
    for stream in (0, 1, 2):
        assert streams[stream] == (stream in closed)
        assert (told[stream] == os.devnull) or stream not in closed


def test_file_is_opened_again_only_if_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(path)
    log.open()
    log.write(b"1\n")
    log.refresh(asked=False)
    path.rename(tmp_path / "old")
    log.write(b"2\n")
    log.refresh(asked=False)
    log.write(b"3\n")
    assert (tmp_path / "old").read_bytes() == b"1\n2\n"
    assert path.read_bytes() == b"3\n"
    path.unlink()
    log.refresh(asked=True)
    log.write(b"4\n")
    assert path.read_bytes() == b"4\n"
    assert path.stat().st_mode & 0o007 == 0


def test_old_file_stays_where_no_new_one_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    log = LogFile(path)
    log.open()
    path.parent.rename(tmp_path / "old")
    with pytest.raises(FileNotFoundError):
        log.refresh(asked=False)
    log.write(b"1\n")
    assert (tmp_path / "old" / "log").read_bytes() == b"1\n"


@pytest.mark.parametrize("kind", ["folder", "pipe that nobody reads"])
def test_path_that_cannot_be_written_is_a_fault(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(Fault, match="choose another --access-log-file"):
        LogFile(path)
