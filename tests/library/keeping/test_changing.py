from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from server.cli import main
from server.errors import Fault
from server.library.keeping.changing import delete_clips, rename_clip
from server.postgres.queries import queries
from tests.conftest import execute, undo_migrations
from tests.library.keeping.library import fill, list_shown, read_lines
from tests.postgres.test_schema import run as ask

NAMES = "SELECT id, filename FROM videos ORDER BY id"


@pytest.fixture
def library(database_url: str) -> str:
    fill(database_url)
    return database_url


def test_deleted_clips_leave_their_places_to_others(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(
        library,
        "INSERT INTO checks (video_id, rules, size_bytes, flaws)"
        " SELECT id, '1', 1, '[]' FROM videos",
    )
    arguments = ["delete", "1", "b.mp4", "--json", "--database-url", library]
    assert main([*arguments, "--dry-run"]) == 0
    foreseen = read_lines(capsys)
    before = list_shown(library)
    assert before == {"d1": [1, 2, 3], "d2": [2], "d3": [4], "q7": [3, 1]}
    assert main(arguments) == 0
    done = read_lines(capsys)
    assert list_shown(library) == {"d1": [3], "d3": [4], "q7": [3]}
    assert ask(library, "SELECT id FROM videos ORDER BY id") == [(3,), (4,), (5,)]
    assert ask(library, "SELECT count(*) FROM checks") == [(3,)]
    assert [each["status"] for each in done] == ["deleted"] * 2
    assert done[0] == {
        "status": "deleted",
        "video_id": 1,
        "filename": "rise_sun.mp4",
        "bytes": 1,
        "links": [
            {
                "kind": kind,
                "id": number,
                "word": "rise",
                "learning_language": "en",
                "native_language": "de",
                "videos": [3],
            }
            for kind, number in (("definition", 1), ("question", 7))
        ],
    }
    assert foreseen[0] == {**done[0], "status": "would-delete"}
    assert [link["id"] for link in foreseen[1]["links"]] == [1, 2]


def test_none_is_deleted_if_one_is_missing(library: str) -> None:
    with pytest.raises(Fault, match="there is no video 9"):
        delete_clips(library, ["1", "9"])
    assert len(ask(library, NAMES)) == 5


def test_deletion_is_told_to_a_person(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["delete", "2", "2", "--dry-run", "--database-url", library]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "would-delete  2 b.mp4  2 B",
        "  definition 1 “rise” now shows 1, 3",
        "  definition 2 “rise” now shows nothing",
    ]


def test_deletion_waits_for_nobody_for_long(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queries(), "limit_patience", "SET LOCAL lock_timeout = '100ms'")
    with closing(psycopg2.connect(library)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM definitions WHERE id = 1 FOR UPDATE")
        with pytest.raises(Fault, match="nothing was changed"):
            delete_clips(library, ["1"])


def test_clip_is_deleted_without_the_table_of_checks(library: str) -> None:
    undo_migrations(library, "0011_create_checks")
    [done] = delete_clips(library, ["5"])
    assert done.links == []
    assert len(ask(library, NAMES)) == 4


def test_renamed_clip_keeps_the_rest(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list_shown(library)
    foreseen = rename_clip(library, "./42", "new.mp4", dry_run=True)
    assert foreseen == ("would-rename", 3, "new.mp4", "42")
    assert ask(library, NAMES)[2] == (3, "42")
    arguments = ["rename", "./42", "new.mp4", "--database-url", library]
    assert main([*arguments, "--json"]) == 0
    assert read_lines(capsys) == [
        {"status": "renamed", "video_id": 3, "filename": "new.mp4", "before": "42"}
    ]
    assert ask(library, NAMES)[2] == (3, "new.mp4")
    assert list_shown(library) == before
    assert main(["rename", "3", "new.mp4", "--database-url", library]) == 0
    assert capsys.readouterr().out == "exists  3 new.mp4\n"


@pytest.mark.parametrize(
    ("video", "name", "words"),
    [
        ("9", "new.mp4", "there is no video 9"),
        ("1", "b.mp4", "another video has the name b.mp4"),
        ("1", "", "“” is not a file name: give another name"),
        ("1", "..", "“..” is not a file name: give another name"),
        ("1", "a/b.mp4", "not a file name: give one without /"),
        ("1", "a\nb.mp4", "control character in its name: give another name"),
        ("1", "a" * 256, "255"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_name_that_cannot_be_is_refused(
    library: str, video: str, name: str, words: str, dry_run: bool
) -> None:
    before = ask(library, NAMES)
    with pytest.raises(Fault, match=words) as caught:
        rename_clip(library, video, name, dry_run=dry_run)
    assert "\n" not in str(caught.value)
    assert ask(library, NAMES) == before
