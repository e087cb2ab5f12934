"""Libraries that don't work together are named, and no file is blamed for them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.errors import Fault
from server.library.clips.selftest import check_ffmpeg
from server.library.ffmpeg.sandbox import Sandbox, SandboxFault
from tests.command import ROOT, run, serving

if TYPE_CHECKING:
    from pathlib import Path

# What a PyAV does that lacks an argument of ours, as 19 lacked metadata_errors.
BROKEN = """
import av
opened = av.open
def open_older(*arguments, **options):
    if {condition}:
        raise TypeError("open() got an unexpected keyword argument 'container_options'")
    return opened(*arguments, **options)
av.open = open_older
"""
KIND = "TypeError: open() got an unexpected keyword argument 'container_options'"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    make_clip(folder / "run.mp4", seconds=1, width=64, height=48)
    make_clip(folder / "sit.mp4", seconds=2, width=64, height=48)
    return folder


def break_pyav(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    condition: str = "'container_options' in options",
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN.format(condition=condition))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_what_is_installed_works() -> None:
    with Sandbox() as sandbox:
        check_ffmpeg(sandbox)


def test_import_says_at_once_that_it_cannot_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, clips: Path
) -> None:
    break_pyav(tmp_path, monkeypatch)
    text = run("import", str(clips), url=database_url, status=1, is_our_fault=True)
    assert f"made for this test ({KIND}, in probe.py, line " in text
    assert text.splitlines()[-1].startswith("bytereel: PyAV ")
    assert "run.mp4" not in text
    assert "export it" not in text


@pytest.mark.long
def test_fault_at_one_file_does_not_end_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, clips: Path
) -> None:
    size = (clips / "run.mp4").stat().st_size
    condition = f"getattr(arguments[0], 'size', 0) == {size}"
    break_pyav(tmp_path, monkeypatch, condition)
    text = run(
        "import", "--json", str(clips), url=database_url, status=1, is_our_fault=True
    )
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [row["status"] for row in rows] == ["rejected", "imported"]
    assert "could not be checked, for bytereel itself failed" in rows[0]["error"]
    assert rows[0]["error"].endswith("report it; the file may be fine")


def test_check_blames_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    break_pyav(tmp_path, monkeypatch)
    text = run("check", "--json", str(clips / "run.mp4"), status=1, is_our_fault=True)
    (flaw,) = [json.loads(line) for line in text.splitlines() if line[0] == "{"]
    assert flaw["code"] == "not-checked"


def test_library_that_ends_the_process_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    # What a wheel built for another processor does.
    (tmp_path / "av.py").write_text("import os; os.kill(os.getpid(), 4)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text = run("check", "--json", str(clips / "run.mp4"), status=1)
    flaw = json.loads(text.splitlines()[0])
    assert flaw["code"] == "not-checked"
    assert "ended with status -4 as it began" in flaw["sentence"]


@pytest.mark.long
def test_doctor_names_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    assert "libraries" not in run("doctor", url=database_url)
    break_pyav(tmp_path, monkeypatch)
    text = run("doctor", url=database_url, status=1, is_our_fault=True)
    assert "fault libraries: PyAV " in text


@pytest.mark.long
def test_server_tells_of_libraries_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    break_pyav(tmp_path, monkeypatch)
    log = tmp_path / "log"
    shell = ["sh", "-c", f'exec "$@" 2> {log}', "sh"]
    with serving(database_url, run_by=shell):
        for _ in range(200):
            if KIND in log.read_text().rpartition("WARNING root: PyAV ")[2]:
                return
            time.sleep(0.1)
    pytest.fail(log.read_text())


def test_process_that_cannot_begin_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", str(ROOT / "README.md"))
    with Sandbox() as sandbox, pytest.raises(Fault, match="no process can be started"):
        check_ffmpeg(sandbox)


def test_process_that_ends_by_itself_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Sandbox() as sandbox, pytest.raises(SandboxFault, match="with status 1"):
        sandbox.run("probe", lambda *_: b"", 0, 5, whole=True)


def test_folder_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    with Sandbox() as sandbox, pytest.raises(Fault, match=r"in /proc .* set TMPDIR"):
        check_ffmpeg(sandbox)
