"""Temporary folders: of nobody who is killed they stay, and a full disk is named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.errors import Fault
from server.library.temporary import (
    PREFIX,
    FolderFull,
    check_room,
    remove_abandoned,
    temporary_folder,
)
from tests.clips import Kind, make
from tests.command import ROOT, run
from tests.library.imports.test_files import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
from server.library.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "half.mp4").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""
NOISE = Kind(width=160, height=120, frames=60, noise=True)
FULL = "for temporary files is full (No space left on device)"
REMEDY = "free some space, or set TMPDIR to another folder"


@contextmanager
def holding(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield another process and the temporary folder that it has."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_only_what_the_killed_left_is_removed(tmp_path: Path) -> None:
    with holding(tmp_path) as (killed, left), holding(tmp_path) as (_, held):
        killed.kill()
        killed.wait()
        other = tmp_path / f"{PREFIX}other"
        (other / "deep").mkdir(parents=True)
        (tmp_path / f"{PREFIX}new").mkdir()
        (tmp_path / f"{PREFIX}old").mkdir()
        os.utime(tmp_path / f"{PREFIX}old", (0, 0))
        (tmp_path / f"{PREFIX}link").symlink_to(held)
        (tmp_path / f"{PREFIX}file").touch()
        (tmp_path / "bytereel-12345678").mkdir()  # a socket's, of embedded PostgreSQL
        if os.geteuid() == 0:
            (other / "lock").touch()
            os.chown(other, 65534, 65534)
        before = {path.name for path in tmp_path.iterdir()}
        remove_abandoned(tmp_path)
        gone = before - {path.name for path in tmp_path.iterdir()}
        assert gone == {left.name, f"{PREFIX}old"}
        assert (held / "half.mp4").read_bytes() == b"half"
    assert not held.exists()


@pytest.mark.long
def test_next_run_removes_what_a_killed_import_left(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make(tmp_path / "long.mkv", Kind("mpeg4", format="matroska", frames=3000))
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with subprocess.Popen(
        [sys.executable, "-m", "server", "import", "--transcode", str(clip)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
    ) as process:
        for _ in range(3000):
            if list(folder.glob("*/*.mp4")):
                break
            time.sleep(0.01)
        process.kill()
    [left] = folder.iterdir()
    assert (left / "lock").exists()
    missing = str(tmp_path / "none.mp4")
    run("import", missing, url=database_url, status=1)
    assert list(folder.iterdir()) == []
    assert ask(database_url, "SELECT 1 FROM videos") == []


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Yield a folder on a disk of its own."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize(
    ("kind", "name", "repair"),
    [
        (NOISE._replace(movflags=""), "late.mp4", "--fix"),
        (NOISE._replace(movflags="frag_keyframe"), "pieces.mp4", "--fix"),
        (NOISE._replace(codec="mpeg4"), "old.mp4", "--transcode"),
        (NOISE._replace(format="matroska"), "clip.mkv", "--transcode"),
    ],
)
def test_full_folder_is_not_the_fault_of_the_file(
    database_url: str,
    tmp_path: Path,
    kind: Kind,
    name: str,
    repair: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = make(tmp_path / name, kind)
    assert clip.stat().st_size > 256 << 10
    good = make(tmp_path / "good.mp4")
    with small_disk(tmp_path / "small", "256k") as folder:
        monkeypatch.setenv("TMPDIR", str(folder))
        text = run("import", repair, str(clip), str(good), url=database_url, status=1)
        assert list(folder.iterdir()) == []
    sentence = f"{clip} was not repaired, for the folder {folder} {FULL}: {REMEDY}\n"
    assert sentence in text
    assert f"imported  1  {good}" in text
    assert "FFmpeg" not in text


def test_folder_that_is_full_from_the_start_is_named(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make(tmp_path / "good.mp4")
    with small_disk(tmp_path / "small", "256k") as folder:
        monkeypatch.setenv("TMPDIR", str(folder))
        fill(folder)
        text = run("import", str(clip), url=database_url, status=1)
        assert text == f"bytereel: the folder {folder} {FULL}: {REMEDY}\n"
        # Room for a name and a little more, but not for the clip of the self-test.
        os.truncate(folder / "filler", (folder / "filler").stat().st_size - 4096)
        text = run("import", str(clip), url=database_url, status=1)
        assert text == f"bytereel: the folder {folder} {FULL}: {REMEDY}\n"


def test_folder_full_meanwhile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", "1m") as small:
        check_room(small)
        monkeypatch.setattr("tempfile.tempdir", str(small))
        with pytest.raises(FolderFull, match="is full"), temporary_folder() as folder:
            (folder / "a").write_bytes(bytes(2 << 20))
        assert list(small.iterdir()) == []


def test_other_errors_stay_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(IsADirectoryError), temporary_folder() as folder:
        folder.write_bytes(b"")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with (
        pytest.raises(Fault, match=r"cannot create a folder in .*/none \(No such file"),
        temporary_folder(),
    ):
        pass
