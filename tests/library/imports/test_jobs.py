"""What becomes of each file is counted at once, so that the counts survive a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from tests.command import ROOT, run
from tests.library.imports.test_files import ask

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = "SELECT result, files FROM import_results ORDER BY result"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with forty clips and four files that are none."""
    make_clip(tmp_path / "clip.mp4", seconds=1, width=64, height=48)
    data = (tmp_path / "clip.mp4").read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(40):
        filler = b"\0\0\0\x09free" + bytes([number])
        (folder / f"{number:02}.mp4").write_bytes(data + filler)
    for number in range(4):
        (folder / f"{number}0x.mp4").write_text("none")
    return folder


@pytest.mark.long
def test_counts_survive_a_kill(database_url: str, folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "server", "import", "--jobs", "2", str(folder)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(10)]
        process.kill()
        told += process.stdout.readlines()
    counted = dict(ask(database_url, RESULTS))
    [(kept,)] = ask(database_url, "SELECT count(*) FROM videos")
    assert len(told) <= counted["imported"] <= kept <= counted["imported"] + 2
    assert kept < 40
    assert counted["rejected"] >= 1
    run("import", str(folder), url=database_url, status=1)
    whole = dict(ask(database_url, RESULTS))
    assert whole["imported"] + kept - counted["imported"] == 40
    assert whole["exists"] == kept
    assert whole["rejected"] == 4 + counted["rejected"]


@pytest.mark.long
def test_dry_run_counts_nothing(database_url: str, folder: Path) -> None:
    run("import", "--dry-run", str(folder), url=database_url, status=1)
    assert ask(database_url, RESULTS) == []


def test_database_without_counts_takes_videos(database_url: str, folder: Path) -> None:
    ask(database_url, "DROP TABLE import_results")
    run("import", str(folder / "01.mp4"), url=database_url)
    assert ask(database_url, "SELECT filename FROM videos") == [("01.mp4",)]
