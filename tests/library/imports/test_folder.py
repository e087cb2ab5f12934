from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from tqdm import tqdm

from server.demo.samples import make_clip
from server.errors import Fault
from server.library.clips.check import Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.imports.command import jobs, report, save_report
from server.library.imports.files import group_files, import_open, import_paths
from server.library.imports.folder import (
    BATCH_WORDS,
    FolderOptions,
    find_words,
    import_folder,
)
from server.library.imports.importer import File, Importer, RepairPolicy
from server.library.imports.jobs import MOST_BYTES, RENEW_FILES, ImporterPool
from server.library.imports.repairing import repairing
from server.library.imports.rows import Imported, Inventory
from server.library.imports.summary import ClipLink, Summary
from server.postgres import migrations
from tests import command
from tests.clips import Kind, box, make
from tests.library.imports.test_files import ask, stop_with, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

FIX = RepairPolicy(fix=True)
LINK = FolderOptions("en", link=True, jobs=2)

SHOWN = """
SELECT native_language, word, array_remove(first.filename::text || further.names, NULL)
  FROM definitions
  LEFT JOIN videos AS first ON first.id = video_id
  CROSS JOIN LATERAL (
      SELECT array_agg(filename::text ORDER BY position) AS names
        FROM definition_videos JOIN videos ON videos.id = definition_videos.video_id
       WHERE definition_id = definitions.id) AS further
 ORDER BY learning_language, native_language, word
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "run.mp4"
    make_clip(path, seconds=1, width=64, height=48)
    return path


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip that --fix repairs."""
    return make(tmp_path_factory.mktemp("media") / "late.mp4", Kind(movflags=""))


def fill(folder: Path, clip: Path, names: list[str]) -> Path:
    """Make clips of these names, of which no two have the same bytes."""
    data = clip.read_bytes()
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data + box(b"free", b"%d" % number))
    return folder


def add_words(url: str, words: list[tuple[str, str, str]]) -> None:
    ask(
        url,
        "INSERT INTO definitions"
        " (word, learning_language, native_language, definition_text)"
        " SELECT *, 'x' FROM unnest(%s, %s, %s) AS words",
        *(list(column) for column in zip(*words, strict=True)),
    )


def bring(
    url: str,
    folder: Path,
    folder_options: FolderOptions = LINK,
    policy: RepairPolicy | None = None,
) -> tuple[list[Imported], Summary]:
    policy = policy or RepairPolicy()
    summary = Summary(folder_options.language, dry_run=policy.dry_run)
    return list(import_folder(url, [folder], policy, folder_options, summary)), summary


def test_longest_known_word_is_meant_in_each_way_it_is_written() -> None:
    words = {"ice cream": ["Ice cream", "ice-cream"], "ice": ["ice"]}
    assert find_words(words, "a/ice-cream_cone.mp4") == ("Ice cream", "ice-cream")
    assert find_words(words, "ice_cube.mp4") == ("ice",)
    assert find_words(words, "iceland.mp4") == ()


def test_files_of_one_name_go_together() -> None:
    names = ["a/x.mp4", "a/y.mp4", "b/x.webm", "b/z.mp4", "c/x.mp4"]
    groups = group_files(File(Path(name), 1) for name in names)
    assert [[str(file.path) for file in group] for group in groups] == [
        ["a/x.mp4", "b/x.webm", "c/x.mp4"],
        ["a/y.mp4"],
        ["b/z.mp4"],
    ]


@pytest.mark.long
def test_clips_are_linked_to_all_definitions_of_their_word_in_order_of_names(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    add_words(
        database_url,
        [
            ("run", "en", "de"),
            ("run", "en", "fr"),
            ("ice-cream", "en", "de"),
            ("Ice Cream", "en", "fr"),
            ("sad", "en", "de"),
            ("run", "it", "de"),
        ],
    )
    names = [
        "a/run_z.mp4",
        "b/run_a.mp4",
        "b/ice_cream_cone.mp4",
        "c/xyz.mp4",
        "run.mp4",
    ]
    fill(tmp_path, clip, names)
    (tmp_path / "run_b.mp4").write_bytes(b"none")
    foreseen, plan = bring(database_url, tmp_path, policy=RepairPolicy(dry_run=True))
    assert [done.status for done in foreseen] == ["would-import"] * 5 + ["rejected"]
    assert ask(database_url, "SELECT count(*) FROM videos") == [(0,)]
    done, summary = bring(database_url, tmp_path)
    assert [each.file for each in done] == [each.file for each in foreseen]
    runs = ["run.mp4", "run_a.mp4", "run_z.mp4"]
    cone = ["ice_cream_cone.mp4"]
    assert ask(database_url, SHOWN) == [
        ("de", "ice-cream", cone),
        ("de", "run", runs),
        ("de", "sad", []),
        ("fr", "Ice Cream", cone),
        ("fr", "run", runs),
        ("de", "run", []),
    ]
    told = json.loads(summary.render_json())
    planned = json.loads(plan.render_json())
    assert told["words_without_clip"] == planned["words_without_clip"] == ["sad"]
    assert told["clips_without_word"] == [f"{tmp_path}/c/xyz.mp4"]
    assert planned["clips_without_word"] == told["clips_without_word"]
    assert (told["counts"]["linked"], planned["counts"]["linked"]) == (8, 8)
    again, summary = bring(database_url, tmp_path)
    assert [each.status for each in again] == ["exists"] * 5 + ["rejected"]
    assert (summary.count()["linked"], summary.count()["linked_before"]) == (0, 8)
    assert ask(database_url, "SELECT count(*) FROM definition_videos") == [(4,)]


def test_language_alone_links_nothing_and_tells_what_is_missing(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    add_words(database_url, [("run", "en", "de"), ("sad", "en", "de")])
    fill(tmp_path, clip, ["run_a.mp4", "xyz.mp4"])
    _, summary = bring(database_url, tmp_path, FolderOptions("en"))
    assert ask(database_url, "SELECT count(video_id) FROM definitions") == [(0,)]
    assert summary.bare == ["sad"]
    assert summary.render()[1:] == [
        "1 clip without a word:",
        f"  {tmp_path}/xyz.mp4",
        "1 word without a clip:",
        "  sad",
    ]


def test_unknown_language_stops_before_anything_is_imported(
    database_url: str, clip: Path
) -> None:
    add = "there are no words in the language EN: add definitions first"
    with pytest.raises(Fault, match=add):
        bring(database_url, clip, FolderOptions("EN", link=True))
    add_words(database_url, [("run", "en", "de"), ("rot", "de", "en")])
    with pytest.raises(Fault, match=r"language EN: choose one of de, en$"):
        bring(database_url, clip, FolderOptions("EN", link=True))
    assert ask(database_url, "SELECT count(*) FROM videos") == [(0,)]


def test_many_words_are_linked_in_several_transactions(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    words = [f"w{number}" for number in range(BATCH_WORDS + 2)]
    add_words(database_url, [(word, "en", "de") for word in words])
    # Of names that are in the table already nothing is read but the bytes.
    fill(tmp_path, clip, [f"{word}.mp4" for word in words])
    paths = list(tmp_path.iterdir())
    ask(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT * FROM unnest(%s, %s::bytea[]) AS files",
        [path.name for path in paths],
        [path.read_bytes() for path in paths],
    )
    done, summary = bring(database_url, tmp_path)
    assert {each.status for each in done} == {"exists"}
    assert summary.count()["linked"] == len(words)
    linked = "SELECT count(*) FROM definitions JOIN videos ON videos.id = video_id"
    assert ask(database_url, linked + " WHERE filename = word || '.mp4'") == [
        (len(words),)
    ]


def test_clip_that_went_meanwhile_is_not_linked(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    add_words(database_url, [("run", "en", "de")])
    fill(tmp_path, clip, ["run_a.mp4", "run_b.mp4"])
    summary = Summary("en")
    for done in import_folder(database_url, [tmp_path], RepairPolicy(), LINK, summary):
        if done.file.endswith("a.mp4"):
            ask(database_url, "DELETE FROM videos WHERE id = %s", done.video_id)
    assert ask(database_url, SHOWN) == [("de", "run", ["run_b.mp4"])]


@pytest.mark.parametrize("dry_run", [False, True])
def test_one_name_twice_in_a_tree_is_told_alike_by_any_number_of_jobs(
    database_url: str, clip: Path, tmp_path: Path, dry_run: bool
) -> None:
    fill(tmp_path, clip, ["a/cat.mp4", "a/dog.mp4", "b/cat.mp4", "c/cat.mp4"])
    (tmp_path / "c/cat.mp4").write_bytes((tmp_path / "a/cat.mp4").read_bytes())
    for count in (2, 1):
        paths = import_paths(
            database_url, [tmp_path], RepairPolicy(dry_run=dry_run), jobs=count
        )
        first, other, same, dog = paths
        assert other.error == (
            f"{tmp_path}/b/cat.mp4 has other bytes than {tmp_path}/a/cat.mp4, which "
            "has the same name: rename one of them"
        )
        assert (same.status, same.video_id) == ("exists", first.video_id)
        assert dog.file == f"{tmp_path}/a/dog.mp4"


@pytest.mark.long
def test_repaired_file_is_known_by_what_it_was_and_not_repaired_again(
    database_url: str, late: Path, tmp_path: Path
) -> None:
    [foreseen] = import_paths(database_url, [late], FIX._replace(dry_run=True))
    assert (foreseen.status, foreseen.repaired) == ("would-import", "fixed")
    [done] = import_paths(database_url, [late], FIX)
    assert done.repaired == "fixed"
    for policy in (FIX, RepairPolicy(), FIX._replace(dry_run=True)):
        [again] = import_paths(database_url, [late], policy)
        assert again == done._replace(status="exists", repaired=None, digests=())
    # A row of an older version learns it.
    forget = "UPDATE videos SET source_sha256 = NULL"
    with pytest.raises(psycopg2.IntegrityError, match="never change"):
        ask(database_url, forget)
    ask(
        database_url, f"ALTER TABLE videos DISABLE TRIGGER videos_keep_source; {forget}"
    )
    [again] = import_paths(database_url, [late], FIX)
    assert (again.status, again.repaired) == ("exists", "fixed")
    [again] = import_paths(database_url, [late], FIX)
    assert (again.status, again.repaired) == ("exists", None)
    other = fill(tmp_path, late, ["late.mp4"])
    for policy in (FIX, FIX._replace(dry_run=True)):
        [rejected] = import_paths(database_url, [other], policy)
        assert "has other bytes than video 1" in (rejected.error or "")


@pytest.mark.long
def test_dry_run_repairs_and_tells_what_the_run_would(
    database_url: str, late: Path, tmp_path: Path
) -> None:
    fill(tmp_path, late, ["a/x.mov", "b/x.mp4", "c.mp4"])
    (tmp_path / "d.mp4").write_bytes(late.read_bytes()[:-500] + bytes(500))
    with (tmp_path / "a/x.mov").open("rb") as file, Sandbox() as sandbox:
        report = check_media(open_media(file), sandbox, Limits())
        with repairing(file, report, FIX, sandbox) as repaired:
            (tmp_path / "e").mkdir()
            (tmp_path / "e/x.mp4").write_bytes(repaired.file.read())
    told = []
    for policy in (FIX._replace(dry_run=True), FIX):
        rows = list(import_paths(database_url, [tmp_path], policy))
        told.append([row._replace(status="", video_id=None) for row in rows])
        status = "would-import" if policy.dry_run else "imported"
        assert [row.status for row in rows] == [
            *(status, "rejected", "exists"),
            *(status, "rejected"),
        ]
    assert told[0] == told[1]


@pytest.mark.long
def test_database_without_the_newest_migrations_takes_videos_all_the_same(
    database_url: str, late: Path, clip: Path
) -> None:
    [done] = import_paths(database_url, [clip])
    kept = "SELECT video_id FROM thumbnails"
    assert ask(database_url, kept) == [(done.video_id,)]
    # A table of thumbnails that is not of these videos.
    ask(database_url, "ALTER TABLE thumbnails DROP CONSTRAINT thumbnails_video_id_fkey")
    [done] = import_paths(database_url, [late], FIX)
    assert done.repaired == "fixed"
    assert len(ask(database_url, kept)) == 1
    applied = [done for _, done in migrations.list_status(database_url)]
    migrations.rollback(database_url, sum(applied) - 6)
    [again] = import_paths(database_url, [late], FIX)
    assert (again.status, again.repaired) == ("exists", "fixed")
    ask(database_url, "DELETE FROM videos")
    done, again = import_paths(database_url, [late, late], FIX)
    assert (done.status, again.status) == ("imported", "exists")


def test_open_file_is_brought_as_one_of_a_folder_is(
    database_url: str, clip: Path
) -> None:
    with (
        closing(psycopg2.connect(database_url)) as connection,
        Sandbox() as sandbox,
        clip.open("rb") as file,
    ):
        importer = Importer(connection, sandbox)
        sizes: list[int] = []
        done = import_open(importer, file, "a.mp4", "a.mp4", sizes.append)
        again = import_open(importer, file, "a.mp4", "a.mp4", sizes.append)
    assert (done.status, again.status) == ("imported", "exists")
    assert sum(sizes) == done.bytes


@pytest.mark.long
def test_folder_of_other_formats_is_imported_as_mp4(
    database_url: str, tmp_path: Path
) -> None:
    formats = {"ts": "mpegts", "3gp": "3gp", "mkv": "matroska", "avi": "avi"}
    for suffix, name in formats.items():
        make(tmp_path / f"{suffix}.{suffix}", Kind(format=name))
    make(tmp_path / "mpg.mpg", Kind("mpeg1video", format="mpeg", audio="mp2"))
    (tmp_path / "late.flv").write_bytes(b"FLV, but not quite")
    (tmp_path / "source.ts").write_text("export {};")
    text = command.run(
        *("import", "--transcode", "--json", str(tmp_path)), url=database_url, status=1
    )
    rows = [json.loads(line) for line in text.splitlines() if line[0] == "{"]
    assert {Path(row["file"]).name: row["status"] for row in rows} == {
        "late.flv": "rejected",
        "mpg.mpg": "imported",
        **{f"{suffix}.{suffix}": "imported" for suffix in formats},
    }
    assert "source.ts is a text, not a video: it is left out\n" in text
    names = ask(database_url, "SELECT filename FROM videos ORDER BY 1")
    assert [name for (name,) in names] == [
        *("3gp.mp4", "avi.mp4", "mkv.mp4", "mpg.mp4", "ts.mp4")
    ]


@pytest.mark.long
def test_failure_of_one_stops_all_and_what_was_done_is_told(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    fill(tmp_path, clip, names)
    stop_with(
        database_url,
        "IF NEW.filename = 'b.mp4' THEN PERFORM pg_terminate_backend(pg_backend_pid());"
        " END IF",
    )
    done: list[Imported] = []
    with pytest.raises(Fault, match=r"connection to PostgreSQL was lost at .*b.mp4"):
        done.extend(import_paths(database_url, [tmp_path], jobs=2))
    ask(database_url, "DROP TRIGGER stop ON videos")
    [(count,)] = ask(database_url, "SELECT count(*) FROM videos")
    assert len(done) == count < 4
    again = list(import_paths(database_url, [tmp_path], jobs=2))
    assert sorted(each.status for each in again) == (
        ["exists"] * count + ["imported"] * (4 - count)
    )


def test_desk_that_cannot_be_had_is_a_fault(database_url: str, clip: Path) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    ask(database_url, f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 2")
    url = database_url.replace("postgres@", f"{name}@")
    try:
        with pytest.raises(Fault, match="too many connections"):
            list(import_paths(url, [clip, clip.with_name("other.mp4")], jobs=2))
    finally:
        ask(database_url, f"DROP ROLE {name}")


def interrupt(url: str, where: list[str], number: signal.Signals) -> str:
    """Return what an import says that ends when both jobs wait for the database."""
    with subprocess.Popen(
        [sys.executable, "-m", "server", "import", *where],
        cwd=command.ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        asleep = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(url, f"SELECT 1 {asleep} HAVING count(*) = 2")
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    ask(url, f"SELECT pg_terminate_backend(pid) {asleep}")
    wait_until(url, f"SELECT 1 {asleep} HAVING count(*) = 0")
    told = -number if number == signal.SIGKILL else 128 + number
    assert process.returncode == told
    return out


@pytest.mark.long
def test_interrupted_command_goes_on_where_it_was(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    names = [f"run_{letter}.mp4" for letter in "abcdef"]
    fill(tmp_path, clip, names)
    add_words(database_url, [("run", "en", "de")])
    stop_with(
        database_url,
        "IF NEW.filename > 'run_c.mp4' THEN PERFORM pg_sleep(60); END IF",
    )
    where = [str(tmp_path), "--language", "en", "--link", "--jobs", "2"]
    end = "Stopped after 3 of 6 files; the same command goes on from here."
    for number, status, last in (
        (signal.SIGKILL, "imported", []),
        (signal.SIGTERM, "exists", [end]),
        (signal.SIGINT, "exists", [end]),
    ):
        lines = interrupt(database_url, where, number).splitlines()
        assert [line.split()[0] for line in lines[:3]] == [status] * 3
        assert lines[3:] == last
    ask(database_url, "DROP TRIGGER stop ON videos")
    text = command.run("import", *where, url=database_url)
    assert "6 files, " in text
    assert ": 3 imported, 3 existed, 0 rejected\n" in text
    assert ask(database_url, SHOWN) == [("de", "run", names)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_report_has_all_of_it(
    database_url: str, clip: Path, tmp_path: Path, kind: str
) -> None:
    add_words(database_url, [("run", "en", "de"), ("=sad", "en", "de")])
    fill(tmp_path / "clips", clip, ["run_ü.mp4", "xyz.mp4"])
    (tmp_path / "clips" / "none.mp4").write_bytes(b"none")
    path = tmp_path / f"report.{kind}"
    path.write_text("old")
    where = [str(tmp_path / "clips"), "--language=en", "--link", "--report", str(path)]
    text = command.run("import", *where, "--json", url=database_url, status=1)
    assert "2 imported, 0 existed, 1 rejected\n1 link to definitions was made" in text
    text = path.read_text(encoding="utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clips", path.name]
    if kind == "json":
        told = json.loads(text)
        assert [row["status"] for row in told["files"]] == [
            "rejected",
            "imported",
            "imported",
        ]
        assert (told["files"][1]["word"], told["files"][1]["linked"]) == ("run", [1])
        assert told["words_without_clip"] == ["=sad"]
        return
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["status"], row["word"], row["linked"]) for row in rows] == [
        ("rejected", "", ""),
        ("imported", "run", "1"),
        ("imported", "", ""),
        ("no-clip", "=sad", ""),
    ]
    assert rows[1]["file"] == f"{tmp_path}/clips/run_ü.mp4"


def test_report_that_cannot_be_written_is_told_before_the_import(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "none" / "report.json"
    text = command.run(
        "import", str(clip), "--report", str(path), url=database_url, status=1
    )
    assert text == (
        f"bytereel: the report {path} cannot be written (No such file or directory): "
        "give another path\n"
    )
    assert ask(database_url, "SELECT count(*) FROM videos") == [(0,)]
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(Fault, match="Is a directory"):
        save_report(tmp_path / "folder.csv", "")


def test_link_needs_a_language(database_url: str, clip: Path) -> None:
    text = command.run("import", str(clip), "--link", url=database_url, status=1)
    assert "add --language L" in text


def test_options_refuse_what_makes_no_sense() -> None:
    assert (jobs("1"), jobs("64")) == (1, 64)
    for wrong in ("0", "65"):
        with pytest.raises(
            argparse.ArgumentTypeError, match="not a whole number from 1 to 64"
        ):
            jobs(wrong)
    assert report("a.JSON") == Path("a.JSON")
    with pytest.raises(argparse.ArgumentTypeError, match=r"not end in .json or .csv"):
        report("a.txt")


def test_summary_shows_the_beginning_of_long_lists() -> None:
    summary = Summary("en")
    for number in range(25):
        summary.add(Imported(f"{number}.mp4", "rejected", error=f"{number} is bad"))
    summary.add(Imported("a\nb.mp4", "imported", 7, 2_500_000, 3, repaired="fixed"))
    summary.add(Imported("run.mp4", "exists", 8, 500_000, 3), ("run",))
    summary.add_links(
        [ClipLink("run.mp4", "run", 4, True), ClipLink("run.mp4", "run", 5, False)]
    )
    summary.seconds = 83.4
    lines = summary.render()
    assert lines[:4] == [
        "27 files, 3 MB in 1:23: 1 imported (1 repaired), 1 existed, 25 rejected",
        "1 link to definitions was made, 1 was there",
        "25 rejected:",
        "  0 is bad",
    ]
    assert lines[22:] == [
        "  19 is bad",
        "  … and 5 more (all with --report)",
        "1 clip without a word:",
        "  a\\nb.mp4",
    ]


class Gauge:
    """How many bytes are brought at the same time."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.passed = threading.Event()

    def bring(
        self,
        importer: Importer,
        file: File,
        inventory: Inventory,
        tell: Callable[[int], object],
    ) -> Imported:
        with self.lock:
            self.now += file.size
            self.most = max(self.most, self.now)
        self.passed.wait(0.05)
        with self.lock:
            self.now -= file.size
        return Imported(str(file.path), "imported")


def test_large_files_are_not_brought_together(database_url: str) -> None:
    gauge = Gauge()
    large, small = File(Path("large"), 2 * MOST_BYTES), File(Path("small"), 1)
    half = File(Path("half"), MOST_BYTES // 2)
    files = [small, large, half, half, small, half, large]
    inventory = Inventory({}, keeps_source=False, keeps_thumbnails=False)

    def open_importer() -> Importer:
        return Importer(psycopg2.connect(database_url), Sandbox())

    with ImporterPool(open_importer, gauge.bring, 4) as pool, tqdm(disable=True) as bar:
        orders = (([file], inventory) for file in files)
        done = [each.file for each in pool.work(orders, bar)]
    assert done == [str(file.path) for file in files]
    assert gauge.most == 2 * MOST_BYTES


def test_sandbox_begins_anew_now_and_then(database_url: str, clip: Path) -> None:
    seen: list[int | None] = []

    def look(
        importer: Importer,
        file: File,
        inventory: Inventory,
        tell: Callable[[int], object],
    ) -> Imported:
        if not seen:
            with clip.open("rb") as source:
                check_media(open_media(source), importer.sandbox, Limits())
        seen.append(importer.sandbox.process_id)
        return Imported(str(file.path), "imported")

    def open_importer() -> Importer:
        return Importer(psycopg2.connect(database_url), Sandbox())

    inventory = Inventory({}, keeps_source=False, keeps_thumbnails=False)
    with ImporterPool(open_importer, look, 1) as pool, tqdm(disable=True) as bar:
        orders = (([File(clip, 1)], inventory) for _ in range(RENEW_FILES + 1))
        assert len(list(pool.work(orders, bar))) == RENEW_FILES + 1
    assert seen[0] is not None
    assert set(seen[:-1]) == {seen[0]}
    assert seen[-1] is None
