"""The embedded PostgreSQL comes back under a server, whoever was killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import pytest

from server.errors import Fault
from server.postgres import embedded
from server.postgres.embedded import cluster, supervisor
from server.postgres.embedded.revival import revive
from tests.command import serving
from tests.conftest import FAST
from tests.postgres.test_embedded import answers, processes
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def is_ready(port: int) -> bool:
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=15)) as client:
            client.request("GET", "/readyz")
            return client.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def kill(data_dir: Path, victims: tuple[str, ...]) -> None:
    last = {pid for victim in victims for pid in processes(data_dir, victim)}
    for pid in last:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not last & set(processes(data_dir)))  # others may run by then


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_survives_the_death_of_its_database(
    data_dir: Path, workers: str
) -> None:
    with serving("", "--data-dir", str(data_dir), "--workers", workers) as server:
        for victims in (
            ("/bin/postgres",),
            ("supervisor.py",),
            ("/bin/postgres",),  # after that of its supervisor
            ("supervisor.py", "/bin/postgres"),
        ):
            last = {pid for each in victims for pid in processes(data_dir, each)}
            for pid in last:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda last=last: not last & set(processes(data_dir)))  # type: ignore[misc]
            wait_until(lambda: processes(data_dir, "supervisor.py"))
            wait_until(lambda: is_ready(server.port))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert not processes(data_dir)


@pytest.mark.long
def test_another_server_answers_where_the_last_one_did(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each has a folder, or a port, of its own."""
    monkeypatch.setattr(cluster, "path_fits", lambda place: place.parent != data_dir)
    with embedded.running(data_dir, FAST) as url:
        place = (data_dir / supervisor.SOCKET).resolve()
        kill(data_dir, ("supervisor.py", "/bin/postgres"))
        supervisor.remove_address(data_dir)
        assert not place.exists()
        assert revive(data_dir, url)
        wait_until(lambda: answers(url))
        assert (data_dir / supervisor.SOCKET).resolve() == place
        assert not revive(data_dir, url)
    assert not place.exists()


def test_folder_of_another_user_is_not_trusted(data_dir: Path) -> None:
    data_dir.mkdir()
    url = f"postgresql://postgres@/bytereel?host={data_dir}&port=5432"
    account: supervisor.Account = {"user": data_dir.stat().st_uid + 1}
    with pytest.raises(Fault, match="another user"):
        cluster.restore_address(data_dir, url, account)


@pytest.mark.long
def test_server_that_is_killed_again_and_again_comes_back(data_dir: Path) -> None:
    with embedded.running(data_dir, FAST) as url:
        for _ in range(3):
            time.sleep(3 * supervisor.POLL_SECONDS)  # the supervisor sees it answer
            kill(data_dir, ("/bin/postgres",))
            wait_until(lambda: answers(url))
        log = (data_dir / supervisor.LOG).read_text()
    assert log.count("PostgreSQL ended: starting it again") >= 3


def test_pauses_grow_to_a_limit() -> None:
    pauses = [supervisor.pick_pause(tries) for tries in range(1, 1000)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert max(pauses) == pauses[-1] == supervisor.MOST_SECONDS
