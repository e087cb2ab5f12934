from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from server.cli import main
from server.errors import Fault
from server.library.clips import check
from server.library.clips.check import FAULT, Flaw, Limits
from server.library.ffmpeg.sandbox import Sandbox, SandboxFault
from server.library.keeping.checks import CheckedClip, check_library, name_rules
from server.library.keeping.listing import Search, list_clips
from tests.clips import Kind, box, make
from tests.command import ROOT
from tests.conftest import execute, insert_video, undo_migrations
from tests.library.keeping.library import read_lines
from tests.postgres.test_schema import run as ask

LIMITS = Limits()
LATE = "has its index (moov) behind the media, so it starts late"
NONE = "is not a video, or is damaged or cut short"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("media") / "good.mp4").read_bytes()


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "late.mp4"
    return make(path, Kind(movflags="")).read_bytes()


@pytest.fixture
def library(database_url: str, good: bytes, late: bytes) -> str:
    """Return a database with a good clip, one with a warning, one with a fault."""
    insert_video(database_url, "good.mp4", good)
    insert_video(database_url, "late.mp4", late)
    insert_video(database_url, "none.mp4", b"no video at all")
    return database_url


def collect(url: str, *, jobs: int = 2, again: bool = False) -> list[CheckedClip]:
    return list(check_library(url, LIMITS, jobs=jobs, again=again, progress=False))


def list_known(done: list[CheckedClip]) -> list[bool]:
    return [each.was_known for each in done]


@pytest.mark.long
def test_all_clips_are_checked_once_in_order(library: str) -> None:
    first = collect(library)
    codes = [[flaw.code for flaw in done.flaws] for done in first]
    assert codes == [[], ["moov-after-mdat"], ["not-mp4"]]
    assert list_known(first) == [False] * 3
    again = collect(library)
    assert list_known(again) == [True] * 3
    assert [done.flaws for done in again] == [done.flaws for done in first]
    assert list_known(collect(library, again=True)) == [False] * 3


def test_what_is_found_can_be_listed(library: str) -> None:
    collect(library)
    pages = list_clips(library, Search(flaw="moov-after-mdat"))
    assert [clip.filename for page in pages for clip in page.clips] == ["late.mp4"]


def test_what_is_new_or_has_changed_is_checked(library: str, good: bytes) -> None:
    collect(library)
    execute(library, "ALTER TABLE videos DISABLE TRIGGER USER")
    execute(
        library,
        "UPDATE videos SET video_data = 'other', sha256 = sha256('other'),"
        " file_size_bytes = 5 WHERE id = 2; DELETE FROM videos WHERE id = 3;"
        "ALTER TABLE videos ENABLE TRIGGER USER",
    )
    insert_video(library, "new.mp4", good + box(b"free"))
    done = collect(library)
    assert [(each.clip.id, each.was_known) for each in done] == [
        (1, True),
        (2, False),
        (4, False),
    ]
    assert [flaw.code for flaw in done[1].flaws] == ["not-mp4"]
    assert ask(library, "SELECT video_id FROM checks ORDER BY 1") == [(1,), (2,), (4,)]


@pytest.mark.long
def test_older_rules_and_other_limits_are_checked_again(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(library)
    small = Limits(megabytes=0.001)
    assert list_known(list(check_library(library, small, progress=False))) == [
        False,
        False,
        False,
    ]
    assert name_rules(small) != name_rules(LIMITS)
    collect(library)
    newer = check.RULES_VERSION + 1
    monkeypatch.setattr("server.library.keeping.checks.RULES_VERSION", newer)
    assert list_known(collect(library)) == [False] * 3


def test_clip_that_could_not_be_checked_is_not_kept(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **values: object) -> object:
        raise SandboxFault("out of order")

    with monkeypatch.context() as patched:
        patched.setattr(Sandbox, "run", fail)
        codes = {flaw.code for done in collect(library) for flaw in done.flaws}
    assert "not-checked" in codes
    assert list_known(collect(library)) == [False] * 3


@pytest.mark.long
def test_lost_database_stops_with_one_sentence(library: str) -> None:
    for number in range(300):
        insert_video(library, f"{number}.mp4", b"none")
    done = check_library(library, LIMITS, jobs=2, progress=False)
    next(done)
    execute(
        library,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(Fault, match="connection to PostgreSQL was lost"):
        list(done)


def test_older_schema_is_told(library: str, capsys: pytest.CaptureFixture[str]) -> None:
    undo_migrations(library, "0011_create_checks")
    assert main(["check", "--all", "--database-url", library]) == 1
    text = capsys.readouterr().err
    assert "bytereel migrate" in text
    assert text.count("\n") == 1


def test_who_may_not_write_is_told(library: str) -> None:
    execute(
        library,
        "CREATE ROLE reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    try:
        url = f"{library}&options=-crole%3Dreader"
        with pytest.raises(Fault, match="cannot be kept"):
            list(check_library(url, LIMITS))
    finally:
        execute(library, "DROP OWNED BY reader; DROP ROLE reader")


def test_command_tells_each_flaw_and_the_worst_by_its_status(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", "--all", "--jobs=1", "--database-url", library]
    assert main(arguments) == 1
    text = capsys.readouterr()
    assert [line.split(": ")[:2] for line in text.out.splitlines()] == [
        ["warning moov-after-mdat", f"video 2 (late.mp4) {LATE}"],
        [
            "fault not-mp4",
            "video 3 (none.mp4) is not a video, or is damaged or cut short",
        ],
    ]
    assert text.err == (
        "3 clips checked, 0 known from before: 1 with faults, 1 with warnings, 1 fine\n"
    )
    execute(library, "DELETE FROM videos WHERE id = 3")
    assert main([*arguments, "--json"]) == 3
    (told,) = read_lines(capsys)
    assert told["video_id"] == 2
    assert told["code"] == "moov-after-mdat"
    assert {*Flaw._fields} < {*told}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "give --all"),
        (["check", "--all", "5"], "leave out the names"),
        (["check", "--again", "5"], "go with --all"),
        (["check", "--jobs=2", "5"], "go with --all"),
    ],
)
def test_arguments_that_do_not_fit_are_told(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert words in capsys.readouterr().err


@pytest.mark.long
def test_interrupted_check_goes_on(database_url: str, good: bytes) -> None:
    count = 60
    for number in range(count):
        insert_video(database_url, f"{number}.mp4", good + box(b"free", b"%d" % number))
    command = [sys.executable, "-m", "server", "check", "--all", "--jobs=2"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    while ask(database_url, "SELECT count(*) FROM checks") < [(3,)]:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "goes on from here" in text
    assert "Traceback" not in text
    [(kept,)] = ask(database_url, "SELECT count(*) FROM checks WHERE flaws = '[]'")
    assert ask(database_url, "SELECT count(*) FROM checks") == [(kept,)]
    assert 3 <= kept < count
    known = list_known(collect(database_url))
    assert sum(known) == kept
    assert len(known) == count


def test_severity_of_what_is_kept_stays(library: str) -> None:
    collect(library)
    [flaw] = collect(library)[2].flaws
    assert flaw.severity == FAULT
    assert flaw.tell("it").startswith("it is not a video")
