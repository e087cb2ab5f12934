"""A level is no clip of its own to those who keep the library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.cli import main
from server.library.imports.importer import RepairPolicy
from server.library.keeping.replacing import replace_clip
from server.library.keeping.swap import Swap
from server.library.levels.worker import work
from server.library.words.link import delete_with_links
from tests.clips import Kind, make
from tests.library.levels.clips import LARGE, bring, list_states, queue, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long

Lines = list[dict[str, object]]
TINY = LARGE._replace(frames=6)


@pytest.fixture
def library(database_url: str, tmp_path: Path) -> str:
    """Return the URL of a library with video 1, and its level 2."""
    assert bring(database_url, tmp_path, TINY) == [1]
    queue(database_url, 144)
    assert [done.level_id for done in work(database_url)] == [2]
    return database_url


def ask(capsys: pytest.CaptureFixture[str], url: str, *command: str) -> Lines:
    main([*command, "--json", "--database-url", url])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["list"], "id"),
        (["list", "--unlinked"], "id"),
        (["check", "--all"], "video"),
        (["thumbnail", "--again"], "video_id"),
    ],
)
def test_list_has_the_original_alone(
    library: str, capsys: pytest.CaptureFixture[str], command: list[str], name: str
) -> None:
    lines = ask(capsys, library, *command)
    assert {line.get(name, 1) for line in lines} <= {1}
    assert "144p" not in json.dumps(lines)


def test_numbers_tell_of_levels_apart(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [stats] = ask(capsys, library, "stats")
    videos, levels = stats["videos"], stats["levels"]
    assert isinstance(videos, dict)
    assert videos["clips"] == 1
    [(size,)] = run(library, "SELECT octet_length(video_data) FROM videos WHERE id = 2")
    assert levels == [{"state": "ready", "levels": 1, "bytes": size}]
    assert stats["unlinked"] == [{"id": 1, "filename": "clip0.mp4"}]


def test_bytes_of_levels_are_verified(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = ask(capsys, library, "verify")
    assert [line["video_id"] for line in verified] == [1, 2]


def test_export_has_the_original_alone(
    library: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, library, "export", str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["clip0.mp4"]


def test_level_is_not_linked(library: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["link", "2", "--definition", "1", "--database-url", library]
    assert main(arguments) == 1
    assert "video 2 is a level of another video" in capsys.readouterr().err


def test_level_goes_with_what_is_deleted(library: str) -> None:
    assert delete_with_links(library, 1) == []
    assert run(library, "SELECT count(*) FROM videos") == [(0,)]


def test_clip_that_takes_the_place_gets_levels_too(
    library: str, tmp_path: Path
) -> None:
    file = make(tmp_path / "new.mp4", Kind(width=320, height=240))
    swap = Swap("1", file, delete=True)
    replaced = replace_clip(library, swap, RepairPolicy())
    assert run(library, "SELECT id FROM videos") == [(replaced.video_id,)]
    assert list_states(library) == ["queued"]
