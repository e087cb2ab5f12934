from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.cli import main
from server.errors import Fault
from server.library.imports.importer import RepairPolicy
from server.library.keeping.replacing import replace_clip
from server.library.keeping.swap import Swap
from server.library.words.showing import swap_video
from tests.clips import Kind, make
from tests.conftest import execute
from tests.library.keeping.library import fill, list_shown, read_lines
from tests.postgres.test_schema import run as ask

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.keeping.replaced import ReplacedClip

pytestmark = pytest.mark.long

NAMES = "SELECT id, filename FROM videos ORDER BY id"
POLICY = RepairPolicy()


@pytest.fixture
def library(database_url: str) -> str:
    fill(database_url)
    return database_url


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("media") / "b.mp4")


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("media") / "late.mov", Kind(movflags=""))


def replace(url: str, video: str, file: Path, **more: object) -> ReplacedClip:
    return replace_clip(url, Swap(video, file, **more), POLICY)  # type: ignore[arg-type]


def spoil_digest(url: str, video: int) -> None:
    execute(
        url,
        "ALTER TABLE videos DISABLE TRIGGER USER;"
        f"UPDATE videos SET sha256 = sha256('x') WHERE id = {video};"
        "ALTER TABLE videos ENABLE TRIGGER USER",
    )


@pytest.mark.parametrize(
    ("videos", "after"),
    [([1], [9]), ([1, 2, 3], [9, 2, 3]), ([2, 1, 9, 3], [2, 9, 3]), ([9, 1], [9])],
)
def test_new_clip_takes_the_place_of_the_old(
    videos: list[int], after: list[int]
) -> None:
    assert swap_video(videos, 1, 9) == after


def test_links_move_in_their_order_and_the_old_clip_stays(
    library: str, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["replace", "2", str(good), "--name=new.mp4", "--json"]
    arguments += ["--database-url", library]
    assert main([*arguments, "--dry-run"]) == 0
    (foreseen,) = read_lines(capsys)
    assert len(ask(library, NAMES)) == 5
    assert main(arguments) == 0
    (done,) = read_lines(capsys)
    links = done.pop("links")
    assert [(link["kind"], link["id"], link["videos"]) for link in links] == [
        ("definition", 1, [1, 6, 3]),
        ("definition", 2, [6]),
    ]
    assert done == {
        "status": "replaced",
        "video_id": 6,
        "filename": "new.mp4",
        "bytes": good.stat().st_size,
        "duration_seconds": 1,
        "old_id": 2,
        "old_filename": "b.mp4",
        "old_deleted": False,
        "warnings": [],
        "repaired": None,
    }
    assert [link["videos"] for link in foreseen.pop("links")] == [[1, None, 3], [None]]
    assert foreseen == {**done, "status": "would-replace", "video_id": None}
    assert list_shown(library) == {
        "d1": [1, 6, 3],
        "d2": [6],
        "d3": [4],
        "q7": [3, 1],
    }
    assert (2, "b.mp4") in ask(library, NAMES)
    assert ask(library, "SELECT video_id FROM thumbnails") == [(6,)]


def test_old_clip_goes_and_leaves_its_name(library: str, good: Path) -> None:
    done = replace(library, "b.mp4", good, delete=True)
    assert (done.video_id, done.filename, done.old_deleted) == (6, "b.mp4", True)
    assert list_shown(library)["d1"] == [1, 6, 3]
    assert [row for row in ask(library, NAMES) if row[1] == "b.mp4"] == [(6, "b.mp4")]


@pytest.mark.parametrize("delete", [True, False])
def test_new_clip_has_the_captions_of_the_old(
    library: str, good: Path, delete: bool
) -> None:
    execute(library, "INSERT INTO captions VALUES (1, 'en', 'a'), (1, 'de', 'b')")
    new = replace(library, "1", good, name="new.mp4", delete=delete).video_id
    rows = ask(library, "SELECT * FROM captions ORDER BY video_id, language")
    kept = [] if delete else [1]
    assert [row[:3] for row in rows] == [
        (video, *each) for video in [*kept, new] for each in (("de", "b"), ("en", "a"))
    ]


def test_replacing_again_says_that_there_is_nothing_to_do(
    library: str, good: Path
) -> None:
    replace(library, "2", good, delete=True)
    with pytest.raises(Fault, match="nothing to replace"):
        replace(library, "6", good)
    with pytest.raises(Fault, match="there is no video 2"):
        replace(library, "2", good)


def test_clip_that_is_in_the_table_takes_the_links(library: str, good: Path) -> None:
    replace(library, "5", good, name="new.mp4")
    done = replace(library, "3", good, name="new.mp4")
    assert (done.video_id, done.status) == (6, "replaced")
    assert list_shown(library)["q7"] == [6, 1]
    assert len(ask(library, NAMES)) == 6


def test_file_is_repaired_as_by_import(library: str, late: Path) -> None:
    swap = Swap("1", late, delete=True)
    done = replace_clip(library, swap, RepairPolicy(fix=True))
    assert (done.filename, done.repaired, done.flaws) == ("late.mp4", "fixed", ())
    [(is_noted,)] = ask(
        library, "SELECT source_sha256 IS NOT NULL FROM videos WHERE id = 6"
    )
    assert is_noted
    with pytest.raises(Fault, match="nothing to replace"):
        replace(library, "6", late)


def test_clip_is_replaced_by_its_own_file_repaired(library: str, late: Path) -> None:
    replace(library, "1", late, delete=True)
    with pytest.raises(Fault, match="nothing to replace"):
        replace(library, "late.mov", late)
    swap = Swap("late.mov", late, delete=True)
    done = replace_clip(library, swap, RepairPolicy(fix=True))
    assert (done.filename, done.repaired, done.old_id) == ("late.mp4", "fixed", 6)
    assert list_shown(library)["d1"] == [7, 2, 3]


def test_repair_of_the_known_original_is_compared(library: str, late: Path) -> None:
    replace_clip(library, Swap("1", late, delete=True), RepairPolicy(fix=True))
    swap = Swap("6", late, name="again.mp4")
    with pytest.raises(Fault, match="nothing to replace"):
        replace_clip(library, swap, RepairPolicy(fix=True))
    spoil_digest(library, 6)  # as if another repair had made it
    done = replace_clip(library, swap, RepairPolicy(fix=True))
    assert (done.video_id, done.repaired) == (7, "fixed")


def test_stored_clip_is_repaired_in_its_place(
    library: str, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(library, "1", late, delete=True, name="late.mp4")
    database = ["--database-url", library]
    assert main(["check", "6", *database]) == 3
    remedy = capsys.readouterr().out.rpartition(": ")[2].strip()
    assert remedy == "bytereel replace 6 --fix"
    assert main(["check", "--all", "--json", *database]) == 1
    assert remedy in [flaw["remedy"] for flaw in read_lines(capsys)]
    assert main([*remedy.split()[1:], *database]) == 0
    assert "in place of 6 late.mp4, which goes" in capsys.readouterr().out
    assert list_shown(library)["d1"] == [7, 2, 3]
    assert main(["check", "7", *database]) == 0
    with pytest.raises(Fault, match="see bytereel check 7"):
        replace_clip(library, Swap("7"), RepairPolicy(fix=True))
    with pytest.raises(Fault, match="add --fix or --transcode"):
        replace_clip(library, Swap("7"), POLICY)


def test_repaired_clip_knows_its_first_file(library: str, late: Path) -> None:
    replace(library, "1", late, delete=True)
    execute(library, "UPDATE videos SET source_sha256 = sha256('x') WHERE id = 6")
    swap = Swap("6", name="kept.mp4")
    done = replace_clip(library, swap, RepairPolicy(fix=True))
    assert not done.old_deleted
    sources = ask(library, "SELECT source_sha256 = sha256('x') FROM videos WHERE id>5")
    assert sources == [(True,), (True,)]


def test_damaged_bytes_are_not_repaired(library: str, late: Path) -> None:
    replace(library, "1", late, delete=True)
    spoil_digest(library, 6)
    with pytest.raises(Fault, match="see bytereel verify"):
        replace_clip(library, Swap("6"), RepairPolicy(fix=True))


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_cannot_be_changes_nothing(
    library: str, good: Path, tmp_path: Path, dry_run: bool
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    before = ask(library, NAMES), list_shown(library)
    for video, file, name, words in (
        ("2", broken, None, "is not a video"),
        ("2", tmp_path / "none.mp4", None, "does not exist"),
        ("2", tmp_path, "x.mp4", "is a folder: name a file"),
        ("9", good, None, "there is no video 9"),
        ("2", good, None, "add --delete if it is to go"),
        ("1", good, None, "another video has the name b.mp4"),
        ("1", good, "a/b.mp4", "not a file name"),
    ):
        with pytest.raises(Fault, match=words):
            replace(library, video, file, name=name, dry_run=dry_run)
    assert (ask(library, NAMES), list_shown(library)) == before


def test_failure_at_the_end_undoes_all(library: str, good: Path) -> None:
    execute(
        library,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'not now'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON definition_videos"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    before = ask(library, NAMES), list_shown(library)
    with pytest.raises(Fault, match="not now"):
        replace(library, "2", good, delete=True)
    assert (ask(library, NAMES), list_shown(library)) == before


def test_person_is_told_what_shows_it(
    library: str, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "replace",
        "3",
        str(good),
        "--name=x.mp4",
        "--delete",
        "--max-mb=0.001",
    ]
    arguments += ["--database-url", library]
    assert main([*arguments, "--dry-run"]) == 0
    assert "“rise” shows 1, 2, the new one" in capsys.readouterr().out
    assert main(arguments) == 0
    text = capsys.readouterr()
    assert text.out.splitlines() == [
        "replaced  6  x.mp4, in place of 3 42, which goes",
        "  definition 1 “rise” shows 1, 2, 6",
        "  question 7 “rise” shows 6, 1",
    ]
    assert text.err.startswith("warning over-size: x.mp4 has ")


def test_database_without_our_schema_is_told(empty_url: str, good: Path) -> None:
    with pytest.raises(Fault, match="run bytereel migrate"):
        replace(empty_url, "1", good)
