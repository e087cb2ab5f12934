"""The commands as a person types them, each a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from server.cli import main
from server.demo.samples import make_clip
from tests.command import run, serving, starting


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two clips and a file that is none."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "run_person.mp4", seconds=2)
    make_clip(folder / "happy_smile.mp4", seconds=3, faststart=False)
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


@pytest.mark.long
def test_migrate_tells_what_it_did(empty_url: str) -> None:
    assert "pending" in run("migrate", "--status", url=empty_url)
    first = run("migrate", url=empty_url)
    assert first.startswith("applied  0001")
    assert run("migrate", url=empty_url) == "The schema is up to date.\n"
    assert "pending" not in run("migrate", "--status", url=empty_url)
    count = len(first.splitlines())
    assert "0001" in run("migrate", "--rollback", str(count), url=empty_url)


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", ""],
        ["import", ""],
        ["import", "clips", ""],
        ["import", "clips", "--report", ""],
        ["replace", "1", ""],
        ["backup", ""],
        ["restore", ""],
    ],
)
def test_empty_path_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "the path is empty" in capsys.readouterr().err


@pytest.mark.long
def test_import_tells_of_each_file(database_url: str, clips: Path) -> None:
    text = run("import", "--json", str(clips), url=database_url, status=1)
    *lines, count, _, _ = text.splitlines()
    assert count.startswith("3 files, ")
    rows = {Path(row["file"]).name: row for row in map(json.loads, lines)}
    assert list(rows["run_person.mp4"]) == [
        "file",
        "status",
        "video_id",
        "bytes",
        "duration_seconds",
        "error",
    ]
    size = (clips / "run_person.mp4").stat().st_size
    assert rows["run_person.mp4"]["bytes"] == size
    assert rows["run_person.mp4"]["duration_seconds"] == 2
    assert [rows[name]["status"] for name in sorted(rows)] == [
        "rejected",
        "imported",
        "imported",
    ]
    assert "broken.mp4" in rows["broken.mp4"]["error"]
    again = run("import", str(clips / "run_person.mp4"), url=database_url)
    assert again.split()[0] == "exists"


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "COMMAND"),
        (["serve", "--port", "x"], 2, "whole number"),
        (["serve", "--port", "65536"], 2, "65535"),
        (["migrate", "--rollback", "0"], 1, "0"),
        (["import", "/nowhere/at all.mp4"], 1, "/nowhere/at all.mp4"),
        (["serve", "--host", "203.0.113.1"], 1, "--host"),
    ],
)
def test_wrong_input_gets_one_sentence(
    database_url: str, arguments: list[str], status: int, words: str
) -> None:
    assert words in run(*arguments, url=database_url, status=status)


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("migrate", "nonsense://x"),
        ("import", "nonsense://x"),
        ("serve", "nonsense://x"),
        ("migrate", "postgresql://u:secret@127.0.0.1:1/x"),
        ("import", "postgresql://u:secret@127.0.0.1:1/x"),
    ],
)
def test_wrong_database_gets_one_sentence(command: str, url: str, clips: Path) -> None:
    arguments = [command, str(clips)] if command == "import" else [command]
    text = run(*arguments, url=url, status=1)
    assert text.startswith("bytereel: ")
    assert text.count("\n") == 1
    assert "secret" not in text


@pytest.mark.long
def test_server_needs_the_schema(empty_url: str) -> None:
    assert "bytereel migrate" in run("serve", url=empty_url, status=1)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_answers_and_stops_cleanly(
    database_url: str, number: signal.Signals
) -> None:
    with serving(database_url) as server:
        with urlopen(f"{server.address}readyz") as answer:
            assert json.load(answer) == {"status": "ready"}
        server.process.send_signal(number)
        assert server.process.wait(15) == 0


def test_taken_port_is_told(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in run("serve", "--port", port, url=database_url, status=1)


@pytest.mark.long
def test_embedded_database_is_made_kept_and_stopped(
    data_dir: Path, clips: Path
) -> None:
    clip = str(clips / "run_person.mp4")
    where = ("--data-dir", str(data_dir))
    assert run("import", clip, *where).startswith("imported")
    assert run("import", clip, *where).startswith("exists")
    assert "pending" not in run("migrate", "--status", *where)


@pytest.mark.long
def test_demo_shows_the_main_job_and_leaves_nothing_running(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        where = ("--port", str(port), "--data-dir", str(data_dir))
        with starting("postgresql://not.used/", "demo", *where) as server:
            assert any(f"Port {port} is taken" in line for line in server.lines)
            with urlopen(server.address) as answer:
                page = answer.read().decode()
            assert "run_person.mp4" in page
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(30) == 0
    for _ in range(100):
        if not any((data_dir).rglob("postmaster.pid")):
            break
        time.sleep(0.1)
    assert not any(data_dir.rglob("postmaster.pid"))
