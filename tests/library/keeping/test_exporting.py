from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from server.cli import main
from server.errors import Fault
from server.library.imports.manifest import DRAFT_NAME, MANIFEST_NAME
from server.library.keeping.exporting import export_library
from tests.clips import Kind, box, make
from tests.command import ROOT
from tests.conftest import execute, insert_video
from tests.library.keeping.library import DEFINITIONS, LINKS, NAMES, read_lines
from tests.postgres.test_schema import run as ask

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.keeping.clip_files import ExportedFile

pytestmark = pytest.mark.long

CLIPS = """
SELECT filename, encode(sha256, 'hex'), encode(source_sha256, 'hex'), mime_type,
       file_size_bytes
  FROM videos ORDER BY filename
"""
WORDS = """
SELECT word, definition_text, learning_language, native_language,
       array_remove((SELECT filename::text FROM videos WHERE id = definitions.video_id)
           || ARRAY(SELECT filename::text FROM definition_videos JOIN videos
                        ON videos.id = definition_videos.video_id
                     WHERE definition_id = definitions.id ORDER BY position), NULL)
  FROM definitions ORDER BY definitions.id
"""
QUESTIONS = """
SELECT word, question_text, choices, correct_answer,
       array_remove((SELECT filename::text FROM videos WHERE id = question.video_id)
           || ARRAY(SELECT filename::text FROM question_videos JOIN videos
                        ON videos.id = question_videos.video_id
                     WHERE question_id = question.id ORDER BY position), NULL)
  FROM test_questions AS question JOIN definitions ON definitions.id = definition_id
 ORDER BY question.id
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("media") / "good.mp4").read_bytes()


@pytest.fixture
def library(database_url: str, good: bytes) -> str:
    """Return a library of five real clips, one with a name that no file can have."""
    for number, name in enumerate(NAMES):
        insert_video(database_url, name, good + box(b"free", b"%d" % number))
    execute(database_url, DEFINITIONS + LINKS)
    execute(
        database_url,
        "UPDATE videos SET filename = 'a/B.MP4' WHERE id = 2;"
        "UPDATE videos SET source_sha256 = sha256('x') WHERE id = 4;",
    )
    return database_url


@pytest.fixture
def target(cluster: str, template: str) -> Any:
    admin = cluster.format(database="postgres")
    execute(admin, f"CREATE DATABASE imported TEMPLATE {template}")
    yield cluster.format(database="imported")
    execute(admin, "DROP DATABASE imported WITH (FORCE)")


def export(url: str, folder: Path, **more: bool) -> list[ExportedFile]:
    return list(export_library(url, folder, progress=False, **more))


def tell(url: str) -> list[Any]:
    return [ask(url, query) for query in (CLIPS, WORDS, QUESTIONS)]


def bring(url: str, folder: Path, *more: str) -> int:
    return main(["import", str(folder), *more, "--jobs=2", "--database-url", url])


def test_import_makes_an_equal_library(
    library: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "export"
    assert main(["export", str(folder), "--json", "--database-url", library]) == 0
    told = read_lines(capsys)
    assert [each["file"] for each in told] == [
        *("rise_sun.mp4", "a_B.MP4", "42.mp4", "Reis.mp4", "lonely.mp4"),
    ]
    assert {each["status"] for each in told} == {"exported"}
    assert bring(target, folder, "--add-words", "--dry-run") == 0
    foreseen = capsys.readouterr().err
    assert tell(target) == [[], [], []]
    assert bring(target, folder, "--add-words") == 0
    assert tell(target) == tell(library)
    for text in (foreseen, capsys.readouterr().err):
        assert "7 links of the export w" in text
        assert "4 definitions and 2 questions w" in text


def test_importing_again_changes_nothing(
    library: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(library, tmp_path)
    assert bring(target, tmp_path, "--add-words") == 0
    before = tell(target)
    capsys.readouterr()
    assert bring(target, tmp_path, "--add-words") == 0
    assert (
        "0 links of the export were restored, 7 were there" in capsys.readouterr().err
    )
    assert bring(library, tmp_path, "--add-words") == 0
    assert tell(target) == tell(library) == before


CAPTIONS = (
    "SELECT filename, language, vtt FROM captions JOIN videos ON id = video_id"
    " ORDER BY filename, language"
)


def add_captions(url: str) -> None:
    """Add captions; two clips differ in their suffixes alone."""
    vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:00.200\n"
    execute(
        url,
        "UPDATE videos SET filename = 'lonely.mov' WHERE filename = 'Reis.mp4';"
        "INSERT INTO captions (video_id, language, vtt)"
        f" SELECT id, language, '{vtt}' || filename || language || E'\\n'"
        "   FROM videos, unnest(ARRAY['en', 'pt-BR']) AS language"
        "  WHERE filename LIKE 'lonely.%' OR filename = 'a/B.MP4'",
    )


def test_captions_go_out_and_come_back(
    library: str, target: str, tmp_path: Path
) -> None:
    add_captions(library)
    export(library, tmp_path)
    names = {path.name for path in tmp_path.glob("*.vtt")}
    assert len(names) == 6
    assert {"a_B.en.vtt", "lonely.pt-BR.vtt", "lonely.mp4.en.vtt"} < names
    for _ in range(2):
        assert bring(target, tmp_path, "--add-words") == 0
        assert len(ask(target, CAPTIONS)) == 6
        assert ask(target, CAPTIONS) == ask(library, CAPTIONS)


def test_captions_that_change_or_go_do_so_in_the_export(
    library: str, target: str, tmp_path: Path
) -> None:
    add_captions(library)
    export(library, tmp_path)
    execute(
        library,
        "DELETE FROM captions WHERE language = 'en';"
        "UPDATE captions SET vtt = replace(vtt, 'pt', 'PT')",
    )
    export(library, tmp_path)
    assert (tmp_path / "a_B.en.vtt").exists()  # as the files of deleted clips do
    assert bring(target, tmp_path, "--add-words") == 0
    assert len(ask(target, CAPTIONS)) == 3
    assert ask(target, CAPTIONS) == ask(library, CAPTIONS)
    file = tmp_path / "a_B.pt-BR.vtt"
    file.write_text("of somebody else")
    with pytest.raises(Fault, match=f"{file} is there with other captions: move it"):
        export(library, tmp_path)
    assert file.read_text() == "of somebody else"


def test_words_that_are_missing_are_named(
    library: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(library, tmp_path)
    execute(
        target,
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language) VALUES ('rise', 'sich erheben', 'en', 'de')",
    )
    assert bring(target, tmp_path) == 0
    text = capsys.readouterr().err
    assert "3 words of the export are not here (--add-words adds them):" in text
    assert "  Reis (de for en)" in text
    assert "1 question of the export is not here" in text
    [(*_, videos)] = ask(target, WORDS)
    assert videos == ["rise_sun.mp4", "a/B.MP4", "42"]


def test_links_go_after_those_that_are_there(
    library: str, target: str, tmp_path: Path
) -> None:
    export(library, tmp_path)
    execute(target, DEFINITIONS)
    insert_video(target, "own.mp4", b"x")
    execute(target, "UPDATE definitions SET video_id = 1 WHERE id = 1")
    assert bring(target, tmp_path) == 0
    assert ask(target, WORDS)[0][-1] == ["own.mp4", "rise_sun.mp4", "a/B.MP4", "42"]


def test_definitions_of_one_word_are_told_apart_by_their_texts(
    library: str, target: str, tmp_path: Path
) -> None:
    more = (
        "INSERT INTO definitions (id, word, definition_text, learning_language,"
        " native_language, video_id) VALUES (9, 'rise', 'Anstieg', 'en', 'de', {})"
    )
    execute(library, more.format(5))
    export(library, tmp_path)
    execute(target, more.format("NULL") + ";" + DEFINITIONS)
    assert bring(target, tmp_path) == 0
    shown = {row[1]: row[-1] for row in ask(target, WORDS)}
    assert shown["Anstieg"] == ["lonely.mp4"]
    assert shown["steigen"] == ["rise_sun.mp4", "a/B.MP4", "42"]


def test_export_again_takes_only_what_has_changed(
    library: str, good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(library, tmp_path)
    execute(library, "DELETE FROM videos WHERE id IN (1, 5)")
    insert_video(library, "rise_sun.mp4", good)
    assert main(["export", str(tmp_path), "--database-url", library]) == 0
    text = capsys.readouterr()
    assert text.out == "exported  6 rise_sun.mp4\n"
    assert text.err.startswith("3 exists, 1 exported\n1 video there is not in the ")
    assert text.err.endswith("/lonely.mp4\n")
    assert (tmp_path / "rise_sun.mp4").read_bytes() == good


def test_dry_run_writes_nothing(library: str, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    done = export(library, folder, dry_run=True)
    assert [each.status for each in done] == ["would-export"] * 5
    assert not folder.exists()


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_old_files_are_named_and_stay(
    library: str, tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(tmp_path), "--database-url", library]
    for number in range(12):
        (tmp_path / f"old{number:02}.mp4").write_bytes(b"x")
    assert main([*arguments, *more]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[1].startswith("12 videos there are not in the library; ")
    assert told[2] == f"  {tmp_path}/old00.mp4"
    assert told[12:] == ["  … and 2 more"]
    assert len(list(tmp_path.glob("old*"))) == 12


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_folder_that_takes_nothing_is_told(
    library: str, tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for folder, words in (
        ("/proc/no/such", "/proc/no/such cannot be written ("),
        (str(tmp_path / "file"), "is a file: name a folder to write to"),
        (str(tmp_path / "file/x"), "file/x cannot be written ("),
    ):
        assert main(["export", folder, "--database-url", library, *more]) == 1
        assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_of_others_stays(library: str, tmp_path: Path) -> None:
    (tmp_path / "Reis.mp4").write_bytes(b"mine")
    for dry_run in (True, False):
        with pytest.raises(Fault, match=r"Reis\.mp4 is there with other bytes"):
            export(library, tmp_path, dry_run=dry_run)
    assert (tmp_path / "Reis.mp4").read_bytes() == b"mine"
    (tmp_path / "Reis.mp4").unlink()
    done = export(library, tmp_path)
    assert [each.status for each in done] == ["exists"] * 3 + ["exported"] * 2
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {MANIFEST_NAME, *(each.file for each in done)}


def test_unfinished_export_is_not_imported(
    library: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = export_library(library, tmp_path, progress=False)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert (tmp_path / DRAFT_NAME).exists()
    assert bring(target, tmp_path) == 1
    assert "run bytereel export again" in capsys.readouterr().err
    assert ask(target, CLIPS) == []


def test_damaged_clip_is_named_and_left_out(
    library: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(library, "ALTER TABLE videos DISABLE TRIGGER USER")
    execute(library, "UPDATE videos SET sha256 = sha256('other') WHERE id = 3")
    assert main(["export", str(tmp_path), "--database-url", library]) == 1
    text = capsys.readouterr()
    assert "failed  3 42: has other bytes than at its import: see bytereel" in text.out
    assert not (tmp_path / "42.mp4").exists()
    assert bring(target, tmp_path) == 1
    assert f"  {tmp_path}/42.mp4" in capsys.readouterr().err


def test_clip_deleted_meanwhile_is_left_out(
    library: str, target: str, tmp_path: Path
) -> None:
    rows = export_library(library, tmp_path, progress=False)
    next(rows)
    execute(library, "DELETE FROM videos WHERE id = 2")
    assert [each.status for each in rows] == ["gone", *["exported"] * 3]
    assert bring(target, tmp_path, "--add-words") == 0
    assert tell(target) == tell(library)


def test_two_exports_do_not_disturb_each_other(library: str, tmp_path: Path) -> None:
    with open(tmp_path / DRAFT_NAME, "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Fault, match="another export is writing"):
            export(library, tmp_path)


def test_large_clip_takes_little_memory(database_url: str, tmp_path: Path) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT 'large.mp4', convert_to(repeat(md5('x'), 3000000), 'UTF8')",
    )
    code = (
        "import resource, sys; from pathlib import Path;"
        "from server.library.keeping.exporting import export_library as e;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(*e(sys.argv[1], Path(sys.argv[2]), progress=False));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, database_url, str(tmp_path)]
    text = subprocess.check_output(command, cwd=ROOT, text=True)
    assert (tmp_path / "large.mp4").stat().st_size == 96_000_000
    assert int(text.splitlines()[-1]) < 30_000  # kilobytes


def test_full_disk_is_told_and_the_export_goes_on(library: str, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    command = [sys.executable, "-m", "server", "export", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": library, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert done.returncode == 1
    [sentence, *_] = done.stderr.splitlines()  # a measured run complains behind it
    assert "cannot be written (File too large)" in sentence
    assert "server/" not in done.stderr or "coverage" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [DRAFT_NAME]
    assert [each.status for each in export(library, tmp_path)] == ["exported"] * 5


def test_killed_export_leaves_whole_files_and_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    count = 40
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT n || '.mp4', convert_to(repeat(md5(n::text), 100000), 'UTF8')"
        f"   FROM generate_series(1, {count}) AS n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "export", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.DEVNULL,
    )
    while len(list(tmp_path.glob("*.mp4"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = len(list(tmp_path.glob("*.mp4")))
    statuses = [each.status for each in export(database_url, tmp_path)]
    assert statuses == ["exists"] * whole + ["exported"] * (count - whole)
    assert whole < count
    manifest = json.loads((tmp_path / MANIFEST_NAME).read_bytes())
    for clip in manifest["clips"]:
        data = (tmp_path / clip["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == clip["sha256"]
    assert not list(tmp_path.glob(".*"))


def test_foreign_table_is_exported(
    empty_url: str, good: bytes, target: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "CREATE TABLE files (number BIGINT, title TEXT, body BYTEA);"
        "CREATE VIEW videos AS SELECT number AS id, title AS filename,"
        " 'video/mp4' AS mime_type, body AS video_data, now() AS created_at"
        " FROM files;"
        f"INSERT INTO files VALUES (1, 'a.mp4', '\\x{good.hex()}')",
    )
    assert [each.status for each in export(empty_url, tmp_path)] == ["exported"]
    assert [each.status for each in export(empty_url, tmp_path)] == ["exists"]
    assert bring(target, tmp_path) == 0
    assert [row[0] for row in ask(target, CLIPS)] == ["a.mp4"]


def test_repaired_clip_is_known_by_its_original(
    target: str, database_url: str, tmp_path: Path
) -> None:
    source = make(tmp_path / "late.mp4", Kind(movflags=""))
    assert bring(database_url, source, "--fix") == 0
    export(database_url, tmp_path / "out")
    assert bring(target, tmp_path / "out") == 0
    assert bring(target, source) == 0
    assert tell(target) == tell(database_url)
