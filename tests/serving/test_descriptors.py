"""A server without descriptors says so once, and goes on when there are some."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from tests.command import serving
from tests.serving.test_workers import connect
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def answers(port: int) -> bool:
    try:
        connect(port).close()
    except OSError:  # those who were there are just being closed
        return False
    return True


@pytest.mark.long
def test_shortage_is_one_line_and_passes(database_url: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    shell = ("sh", "-c", f'exec "$@" 2>{said}', "sh")
    with (
        serving(database_url, run_by=shell) as server,
        closing(connect(server.port)) as kept,
    ):
        pid, kind = server.worker, resource.RLIMIT_NOFILE
        before = said.read_text()
        _, most = resource.prlimit(pid, kind)
        few = len(os.listdir(f"/proc/{pid}/fd")) + 5
        resource.prlimit(pid, kind, (few, most))
        with ExitStack() as stack:
            for _ in range(50):
                client = socket.create_connection(("127.0.0.1", server.port))
                stack.enter_context(client)
            wait_until(lambda: "out of file descriptors" in said.read_text())
            kept.request("GET", "/healthz")
            assert kept.getresponse().read()
        wait_until(lambda: answers(server.port))
        wait_until(lambda: "descriptors again" in said.read_text())
        lines = said.read_text().removeprefix(before).splitlines()
        assert len(lines) == 2, lines
        assert f"the limit is {few}" in lines[0]
