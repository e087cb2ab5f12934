from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from server.demo.samples import make_clip
from server.errors import Fault
from server.library.clips.check import Limits
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import check_name, find_files
from server.library.imports.files import import_file, import_paths
from server.library.imports.importer import NO_REPAIR, Importer, RepairPolicy
from server.library.imports.rows import MAX_BYTES, Imported
from server.library.suffixes import VIDEO_SUFFIXES
from tests import command as commands
from tests.clips import GOOD, Kind, make, read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "run_person.mp4"
    make_clip(path, seconds=2, width=64, height=48)
    return path


@pytest.fixture
def long_clip(clip: Path, tmp_path: Path) -> Path:
    """Return a clip that is sent in several pieces."""
    return lengthen(clip, tmp_path / "long.mp4", 2 * MEBIBYTE)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture
def importer(database_url: str, sandbox: Sandbox) -> Iterator[Importer]:
    with closing(psycopg2.connect(database_url)) as opened:
        yield Importer(opened, sandbox)


def lengthen(clip: Path, path: Path, size: int) -> Path:
    """Write clip and a box named free behind it (ISO/IEC 14496-12, 8.1.2)."""
    filler = os.urandom(MEBIBYTE)
    with path.open("wb") as file:
        file.write(clip.read_bytes())
        file.write((size - file.tell()).to_bytes(4, "big") + b"free")
        while left := size - file.tell():
            file.write(filler[:left])
    return path


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, on a connection of its own."""
    with (
        closing(psycopg2.connect(url)) as opened,
        opened,
        opened.cursor() as cursor,
    ):
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def count_videos(url: str) -> int:
    return int(ask(url, "SELECT count(*) FROM videos")[0][0])


def wait_until(url: str, statement: str, *values: object) -> None:
    """Return when the statement finds a row; fail after ten seconds."""
    for _ in range(500):
        if ask(url, statement, *values):
            return
        time.sleep(0.02)
    raise AssertionError(f"still no row: {statement}")


def run(url: str, *paths: Path, policy: RepairPolicy = NO_REPAIR) -> list[Imported]:
    return list(import_paths(url, paths, policy, progress=False))


def ignore(size: int) -> None:
    pass


def once(act: Callable[[], object]) -> Callable[[int], None]:
    """Return a progress that acts when the first piece has been sent."""
    left = [act]

    def progress(size: int) -> None:
        if left:
            left.pop()()

    return progress


def test_file_arrives_byte_for_byte(database_url: str, clip: Path) -> None:
    data = clip.read_bytes()
    assert run(database_url, clip) == [
        Imported(
            *(str(clip), "imported", 1, len(data), 2),
            digests=(hashlib.sha256(data).digest(),),
        )
    ]
    (row,) = ask(
        database_url,
        "SELECT filename, mime_type, file_size_bytes, duration_seconds, sha256,"
        " video_data FROM videos",
    )
    digest = hashlib.sha256(data).digest()
    assert row[:4] == ("run_person.mp4", "video/mp4", len(data), 2)
    assert (bytes(row[4]), bytes(row[5])) == (digest, data)


def test_same_file_again_exists_with_the_numbers_of_its_row(
    database_url: str, clip: Path
) -> None:
    run(database_url, clip)
    ask(database_url, "UPDATE videos SET duration_seconds = 77")
    size = clip.stat().st_size
    assert run(database_url, clip) == [Imported(str(clip), "exists", 1, size, 77)]
    assert count_videos(database_url) == 1


def test_same_name_with_other_bytes_is_rejected(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    other = lengthen(clip, tmp_path / clip.name, MEBIBYTE)
    first, second, third = run(database_url, clip, other, clip)
    assert (first.status, second.status, third.status) == (
        "imported",
        "rejected",
        "exists",
    )
    assert second.error == (
        f"{other} has other bytes than {clip}, which has the same name: "
        "rename one of them"
    )
    [alone] = run(database_url, other)
    assert alone.error == (
        f"{other} has other bytes than video 1, which has the same name: "
        "rename the file, or delete that video first"
    )
    assert (second.video_id, second.bytes, second.duration_seconds) == (None,) * 3


@pytest.mark.parametrize(
    ("seconds", "rounded"), [(0.2, 1), (1.2, 1), (1.8, 2), (3.4, 3)]
)
def test_duration_is_rounded_to_at_least_a_second(
    database_url: str, tmp_path: Path, seconds: float, rounded: int
) -> None:
    make_clip(tmp_path / "a.mp4", seconds=seconds, width=64, height=48)
    assert run(database_url, tmp_path / "a.mp4")[0].duration_seconds == rounded


def test_rejected_file_lets_the_others_in(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.mp4"
    page.write_text("<!doctype html>")
    missing = tmp_path / "missing.mp4"
    done = run(database_url, page, missing, clip)
    assert [row.status for row in done] == ["rejected", "rejected", "imported"]
    assert done[1].error == f"{missing} does not exist: check the path"


@pytest.mark.parametrize(
    ("name", "file", "reason"),
    [
        (b"a\xff.mp4", "a\\xff.mp4", "has a name that is not UTF-8: rename it"),
        (b"a\nb.mp4", "a\nb.mp4", "has a control character in its name: rename it"),
        (b"a\xc2\x85.mp4", "a\x85.mp4", "has a control character in its name"),
    ],
)
def test_name_that_the_table_cannot_keep_is_rejected(
    database_url: str, clip: Path, tmp_path: Path, name: bytes, file: str, reason: str
) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(clip.read_bytes())
    (done,) = run(database_url, path)
    assert (done.file, done.status) == (f"{tmp_path}/{file}", "rejected")
    assert done.error is not None
    assert reason in done.error
    assert done.error.isprintable()


def test_name_may_have_as_many_letters_as_the_column() -> None:
    check_name(Path("x" * 255), "x")
    with pytest.raises(Fault, match="has a name longer than 255 characters: rename it"):
        check_name(Path("x" * 256), "x")


def test_odd_names_arrive_as_they_are(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    names = ["http:x.mp4", "-x.mp4", "%s %(id)s.mp4", 'a"b\\c.mp4', "美丽 ü.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(clip.read_bytes())
    done = run(database_url, *(tmp_path / name for name in names))
    assert [row.status for row in done] == ["imported"] * len(names)
    rows = ask(database_url, "SELECT filename FROM videos ORDER BY id")
    assert [name for (name,) in rows] == names


def test_too_large_file_is_rejected_unread(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(clip.read_bytes())
    os.truncate(path, MAX_BYTES + 1)  # a hole: it takes no space
    (done,) = run(database_url, path)
    assert done.error == (
        f"{path} has 1073740001 bytes, and PostgreSQL keeps at most 1073740000 as "
        "one value: make it shorter or compress it more"
    )


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    for name in (
        "b.MP4",
        "a/z.webm",
        "a/c.Mov",
        "d.m4v",
        "e.txt",
        ".f.mp4",
        ".g/h.mp4",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    named = [tmp_path / "e.txt", tmp_path, tmp_path / "none.mp4"]
    found = [str(path.relative_to(tmp_path)) for path in find_files(named)]
    assert found == [
        "e.txt",
        "a/c.Mov",
        "a/z.webm",
        "b.MP4",
        "d.m4v",
        "none.mp4",
    ]


def test_linked_folder_is_searched_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").touch()
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "one").symlink_to(tmp_path / "real")
    (tmp_path / "top" / "two").symlink_to(tmp_path / "real")
    assert find_files([tmp_path / "top"]) == [tmp_path / "top" / "one" / "a.mp4"]


def test_folder_without_videos_is_rejected(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (done,) = run(database_url, tmp_path)
    assert done == Imported(
        str(tmp_path),
        "rejected",
        error=f"{tmp_path} is a folder in which no {', '.join(VIDEO_SUFFIXES)} file "
        "can be found: check the path, and that you may read it",
    )


@contextmanager
def without_rights() -> Iterator[None]:
    """Give up the rights of root, to whom every file is open."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_what_may_not_be_read_is_rejected(importer: Importer) -> None:
    # Not pytest's own folder, which is closed to others as a whole.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        closed, file = Path(folder, "closed"), Path(folder, "file.mp4")
        closed.mkdir(mode=0)
        file.touch(mode=0)
        with without_rights():
            paths = find_files([Path(folder)])
            done = [import_file(importer, path, ignore) for path in paths]
    assert paths == [closed, file]
    assert [row.status for row in done] == ["rejected", "rejected"]
    assert done[0].error is not None
    assert "that you may read it" in done[0].error
    assert done[1].error == (
        f"{file} cannot be read (Permission denied): "
        "check the path, and that you may read it"
    )


def test_two_imports_at_once_make_one_row(database_url: str, long_clip: Path) -> None:
    both = threading.Barrier(2, timeout=20)
    done: list[Imported] = []

    def bring() -> None:
        with closing(psycopg2.connect(database_url)) as own, Sandbox() as box:
            done.append(import_file(Importer(own, box), long_clip, once(both.wait)))

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.status for row in done) == ["exists", "imported"]
    assert done[0].video_id == done[1].video_id
    assert count_videos(database_url) == 1


def stop_with(url: str, action: str) -> None:
    """Have PostgreSQL do something else instead of inserting a video."""
    ask(
        url,
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.filename <> 'good.mp4' THEN {action}; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER stop BEFORE INSERT ON videos FOR EACH ROW EXECUTE FUNCTION "
        "stop()",
    )


def test_rival_that_came_and_went_is_told(database_url: str, clip: Path) -> None:
    stop_with(database_url, "RAISE unique_violation")
    (done,) = run(database_url, clip)
    assert done.error == (
        f"{clip} was added and deleted by others meanwhile: import it again"
    )


def test_refusal_of_one_file_lets_the_others_in(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    stop_with(database_url, "RAISE check_violation USING MESSAGE = 'not this one'")
    (tmp_path / "good.mp4").write_bytes(clip.read_bytes())
    first, second = run(database_url, clip, tmp_path / "good.mp4")
    assert second.status == "imported"
    assert first.error == (
        f"{clip} was refused by PostgreSQL (not this one): fix that, or leave it out"
    )


@pytest.mark.long
def test_time_limit_of_statements_is_lifted(database_url: str, clip: Path) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    ask(database_url, f"ALTER DATABASE {name} SET statement_timeout = '1s'")
    stop_with(database_url, "PERFORM pg_sleep(1.5)")
    assert run(database_url, clip)[0].status == "imported"


def test_database_without_the_table_stops_all(database_url: str, clip: Path) -> None:
    ask(database_url, "DROP TABLE videos CASCADE")
    with pytest.raises(Fault, match=r"\"videos\" does not .*bytereel migrate"):
        run(database_url, clip)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@127.0.0.1:1/x",
        "postgresql://me:my@secret@[",
        "postgresql://me:my@secret@127.0.0.1:1/x",
    ],
)
def test_no_database_stops_all_and_tells_no_password(url: str, clip: Path) -> None:
    with pytest.raises(Fault, match=r"cannot (connect|read the .* URL)") as caught:
        run(url, clip)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lost_connection_stops_all_without_noise(
    database_url: str, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stop_with(database_url, "PERFORM pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Fault, match="connection to PostgreSQL was lost") as caught:
        run(database_url, clip)
    assert str(clip) in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert count_videos(database_url) == 0


def test_connection_lost_while_sending_stops_all(
    database_url: str, importer: Importer, long_clip: Path
) -> None:
    backend = importer.connection.info.backend_pid

    def end() -> None:
        ask(database_url, "SELECT pg_terminate_backend(%s)", backend)
        gone = (
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = %s)"
        )
        wait_until(database_url, gone, backend)

    with pytest.raises(Fault, match="connection to PostgreSQL was lost"):
        import_file(importer, long_clip, once(end))
    assert count_videos(database_url) == 0


def interrupt() -> None:
    raise KeyboardInterrupt


def test_interrupt_rolls_back_and_goes_on(
    importer: Importer, database_url: str, long_clip: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_file(importer, long_clip, once(interrupt))
    assert count_videos(database_url) == 0
    assert import_file(importer, long_clip, ignore).status == "imported"


def test_failing_disk_rejects_the_file(
    importer: Importer, database_url: str, long_clip: Path
) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    done = import_file(importer, long_clip, once(fail))
    assert done.error == (
        f"{long_clip} cannot be read (Input/output error): "
        "check the path, and that you may read it"
    )
    assert count_videos(database_url) == 0


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-9, os.SEEK_END)
        file.write(b"different")


@pytest.mark.parametrize(
    "change",
    [
        overwrite,
        lambda path: os.truncate(path, MEBIBYTE),
        lambda path: os.truncate(path, 3 * MEBIBYTE),
    ],
    ids=["overwritten", "shorter", "longer"],
)
def test_file_that_changes_meanwhile_is_rejected(
    importer: Importer,
    database_url: str,
    long_clip: Path,
    change: Callable[[Path], object],
) -> None:
    done = import_file(importer, long_clip, once(lambda: change(long_clip)))
    assert done.error == (
        f"{long_clip} changed while it was imported: import it when it is complete"
    )
    assert count_videos(database_url) == 0
    assert import_file(importer, long_clip, ignore).status == "imported"


def test_progress_hears_of_every_byte(importer: Importer, long_clip: Path) -> None:
    sizes: list[int] = []
    import_file(importer, long_clip, sizes.append)
    assert sum(sizes) == long_clip.stat().st_size


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (None, False)])
def test_bar_shows_only_when_wanted_or_on_a_terminal(
    database_url: str,
    clip: Path,
    tmp_path: Path,
    progress: bool | None,
    shown: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    list(import_paths(database_url, [clip, clip, tmp_path], progress=progress))
    out, err = capfd.readouterr()
    assert out == ""
    assert ("100%" in err) is shown


CHILD = """
import resource, sys
from pathlib import Path
import psycopg2
from server.library.imports.importer import Importer
from server.library.imports.files import import_file
from server.library.ffmpeg.sandbox import Sandbox

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

sent = 0

def progress(size):
    global sent
    sent += size
    if sent > stop:
        print("stopped", flush=True)
        sys.stdin.read()

url, clip, path, stop = sys.argv[1:]
stop = int(stop)
with Sandbox() as sandbox:
    importer = Importer(psycopg2.connect(url), sandbox)
    import_file(importer, Path(clip), lambda size: None)
    before = peak()
    done = import_file(importer, Path(path), progress)
print(done.status, peak() - before)
"""


def start_child(url: str, clip: Path, path: Path, stop: int) -> subprocess.Popen[str]:
    """Import clip, then path, in a process that halts after stop bytes."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(clip), str(path), str(stop)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_large_file_needs_little_memory(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    path = lengthen(clip, tmp_path / "large.mp4", 260 * MEBIBYTE)
    with start_child(database_url, clip, path, 1 << 40) as child:
        out, _ = child.communicate()
    status, growth = out.split()  # in KiB
    assert status == "imported"
    assert int(growth) < 100 * 1024
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    assert ask(
        database_url,
        "SELECT octet_length(video_data), md5(video_data) = %s FROM videos"
        " WHERE filename = 'large.mp4'",
        digest,
    ) == [(260 * MEBIBYTE, True)]


@pytest.mark.long
def test_killed_import_leaves_nothing(
    database_url: str, clip: Path, tmp_path: Path
) -> None:
    path = lengthen(clip, tmp_path / "large.mp4", 100 * MEBIBYTE)
    with start_child(database_url, clip, path, 50 * MEBIBYTE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stopped\n"
        assert ask(database_url, "SELECT 1 FROM pg_stat_progress_copy")
        child.kill()
    wait_until(
        database_url,
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_progress_copy)",
    )
    assert ask(database_url, "SELECT filename FROM videos") == [(clip.name,)]
    assert ask(database_url, "SELECT 1 FROM pg_largeobject_metadata") == []
    assert ask(database_url, "SELECT 1 FROM pg_ls_tmpdir()") == []
    assert list(tmp_path.iterdir()) == [path]
    assert run(database_url, path)[0].status == "imported"


FIX, TRANSCODE = RepairPolicy(fix=True), RepairPolicy(transcode=True)


def read_stored(url: str, path: Path) -> Path:
    """Write the one video of the table to path."""
    [(data,)] = ask(url, "SELECT video_data FROM videos")
    path.write_bytes(bytes(data))
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_fault_rejects_and_warning_does_not(database_url: str, tmp_path: Path) -> None:
    late = make(tmp_path / "late.mp4", Kind(movflags=""))
    hev1 = make(
        tmp_path / "hev1.mp4",
        Kind("libx265", tag="hev1", options=(("x265-params", "log-level=none"),)),
    )
    first, second = run(database_url, late, hev1)
    assert (first.status, [flaw.code for flaw in first.flaws]) == (
        "imported",
        ["moov-after-mdat"],
    )
    assert second.error == (
        f"{hev1} has H.265 tagged hev1, where Apple's players want hvc1: "
        "import it with --fix"
    )
    assert count_videos(database_url) == 1


def test_fixed_file_is_kept_and_known_again(
    database_url: str, tmp_path: Path, temporary: Path
) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags="", timecode=True))
    before = path.read_bytes()
    first, second = run(database_url, path, path, policy=FIX)
    assert (first.status, first.repaired, first.flaws) == ("imported", "fixed", ())
    assert (second.status, second.video_id) == ("exists", first.video_id)
    assert path.read_bytes() == before
    stored = read_stored(database_url, tmp_path / "stored.mp4")
    assert read_frames(stored) == read_frames(path)
    assert list(temporary.iterdir()) == []


@pytest.mark.long
def test_transcoded_file_is_an_mp4_by_name_too(
    database_url: str, tmp_path: Path, temporary: Path
) -> None:
    path = tmp_path / "clip.webm"
    make(path, Kind("libvpx", format="webm", audio="libopus"))
    assert [row.status for row in run(database_url, path)] == ["rejected"]
    assert [row.status for row in run(database_url, path, policy=FIX)] == ["rejected"]
    [done] = run(database_url, path, policy=TRANSCODE)
    assert (done.status, done.repaired) == ("imported", "transcoded")
    assert ask(database_url, "SELECT filename, mime_type FROM videos") == [
        ("clip.mp4", "video/mp4")
    ]
    assert list(temporary.iterdir()) == []


def test_good_file_is_not_touched(database_url: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", GOOD)
    [done] = run(database_url, path, policy=TRANSCODE)
    assert (done.status, done.repaired) == ("imported", None)
    assert read_stored(database_url, tmp_path / "b.mp4").read_bytes() == (
        path.read_bytes()
    )


def test_what_cannot_be_smaller_stays_as_it_is(
    database_url: str, tmp_path: Path, temporary: Path
) -> None:
    path = make(tmp_path / "a.mp4", Kind(frames=30, noise=True))
    policy = TRANSCODE._replace(limits=Limits(megabytes=0.009))
    [done] = run(database_url, path, policy=policy)
    assert (done.status, done.repaired) == ("imported", None)
    assert [flaw.code for flaw in done.flaws] == ["not-repaired", "over-size"]
    assert list(temporary.iterdir()) == []


def test_fault_that_cannot_be_repaired_says_why(
    database_url: str, tmp_path: Path, temporary: Path
) -> None:
    # Its codec has another name, so FFmpeg can't decode it either.
    data = make(tmp_path / "a.mp4", GOOD).read_bytes()
    (tmp_path / "a.mp4").write_bytes(data.replace(b"avc1", b"zzzz"))
    [done] = run(database_url, tmp_path / "a.mp4", policy=TRANSCODE)
    assert done.status == "rejected"
    assert done.error is not None
    assert "'zzzz', not H.264 or H.265: export it again" in done.error
    assert list(temporary.iterdir()) == []


def test_interrupted_repair_leaves_nothing(
    importer: Importer, tmp_path: Path, temporary: Path
) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags=""))
    with pytest.raises(KeyboardInterrupt):
        import_file(importer._replace(policy=FIX), path, once(interrupt))
    assert list(temporary.iterdir()) == []


@pytest.mark.long
def test_command_tells_of_flaws_and_repairs(database_url: str, tmp_path: Path) -> None:
    late = make(tmp_path / "late.mp4", Kind(movflags=""))
    text = commands.run("import", "--fix", str(late), url=database_url)
    assert text == f"imported  1  {late}  (fixed)\n"
    early = late.with_name("early.mp4")
    early.write_bytes(late.read_bytes())
    text = commands.run(
        "import", "--json", "--max-seconds=0.1", str(early), url=database_url
    )
    assert json.loads(text) == {
        "file": str(early),
        "status": "imported",
        "video_id": 2,
        "bytes": early.stat().st_size,
        "duration_seconds": 1,
        "error": None,
        "warnings": ["moov-after-mdat", "over-duration", "same-bytes"],
    }
    text = commands.run("import", "--fix", "--json", str(late), url=database_url)
    assert json.loads(text)["status"] == "exists"
    last = make(tmp_path / "last.mp4", Kind(movflags="", frames=9))
    text = commands.run("import", str(last), url=database_url)
    assert text == (
        f"imported  3  {last}\nwarning moov-after-mdat: {last} has its index (moov) "
        "behind the media, so it starts late: bytereel replace 3 --fix\n"
    )
