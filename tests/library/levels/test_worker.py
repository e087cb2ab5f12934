"""Encoders as processes: several at once, killed, and with a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.library.imports.files import import_paths
from server.library.imports.importer import RepairPolicy
from tests.clips import make
from tests.command import ROOT, serving
from tests.library.levels.clips import LARGE, bring, list_states, queue, run
from tests.waiting import wait_until

PATIENCE = 240


def start_encoder(url: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "server", "encode", *options],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def count(url: str, table: str) -> int:
    [(rows,)] = run(url, f"SELECT count(*) FROM {table}")
    return int(rows)


@pytest.mark.long
def test_two_encoders_make_each_level_once(database_url: str, tmp_path: Path) -> None:
    bring(database_url, tmp_path, *[LARGE._replace(frames=6)] * 24)
    queue(database_url, 144)
    encoders = [start_encoder(database_url) for _ in range(2)]
    said = [encoder.communicate(timeout=PATIENCE)[0] for encoder in encoders]
    assert [encoder.returncode for encoder in encoders] == [0, 0], said
    assert sum(text.count("at 144: video") for text in said) == 24
    assert run(database_url, "SELECT DISTINCT state, claims FROM encodings") == [
        ("ready", 1)
    ]
    assert count(database_url, "levels") == 24
    assert count(database_url, "videos") == 48


@pytest.mark.long
def test_killed_encoders_lose_nothing(database_url: str, tmp_path: Path) -> None:
    bring(database_url, tmp_path, *[LARGE._replace(frames=20)] * 10)
    queue(database_url, 144)
    for _ in range(3):
        encoder = start_encoder(database_url)
        wait_until(lambda: "encoding" in list_states(database_url), PATIENCE)
        encoder.kill()
        encoder.communicate()
        # As if it were 20 seconds later, when others may take what it had.
        run(
            database_url,
            "UPDATE encodings SET lease_until = lease_until - '1 h'::interval",
        )
    encoder = start_encoder(database_url)
    said, _ = encoder.communicate(timeout=PATIENCE)
    assert encoder.returncode == 0, said
    assert set(list_states(database_url)) == {"ready"}
    assert count(database_url, "levels") == 10
    assert count(database_url, "videos") == 20


@pytest.mark.long
def test_encoder_that_is_told_to_stop_gives_back_what_it_has(
    database_url: str, tmp_path: Path
) -> None:
    bring(database_url, tmp_path, LARGE._replace(frames=2000, gop=250))
    queue(database_url, 144)
    encoder = start_encoder(database_url)
    begun = "SELECT state FROM encodings WHERE progress > 0"
    wait_until(lambda: run(database_url, begun) == [("encoding",)], PATIENCE)
    encoder.terminate()
    encoder.communicate(timeout=PATIENCE)
    assert encoder.returncode == 128 + signal.SIGTERM
    assert run(database_url, "SELECT state, attempts FROM encodings") == [("queued", 0)]


def list_encoders(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(child)
        for child in children
        if b"levels.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_has_encoders_and_replaces_them(
    database_url: str, tmp_path: Path, workers: str
) -> None:
    options = ["--encoders", "1", "--workers", workers]
    with serving(database_url, *options) as server:
        pid = server.process.pid
        wait_until(lambda: len(list_encoders(pid)) == 1)
        [first] = list_encoders(pid)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(list_encoders(pid) - {first}) == 1)
        clip = make(tmp_path / "clip.mp4", LARGE)
        policy = RepairPolicy(levels=(144, 240))
        list(import_paths(database_url, [clip], policy, progress=False))
        wait_until(lambda: list_states(database_url) == ["ready"], PATIENCE)
        [second] = list_encoders(pid)
    wait_until(lambda: not is_alive(second))


@pytest.mark.long
def test_encoders_go_with_a_server_that_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    with serving(database_url, "--encoders", "1") as server:
        wait_until(lambda: len(list_encoders(server.process.pid)) == 1)
        [encoder] = list_encoders(server.process.pid)
        server.process.kill()
        wait_until(lambda: not is_alive(encoder))
