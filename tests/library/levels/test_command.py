from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.cli import main
from tests.library.levels.clips import LARGE, bring, list_states, queue, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long

TINY = LARGE._replace(frames=6)


def encode(url: str, *options: str) -> int:
    return main(["encode", "--levels", "144", "--database-url", url, *options])


@pytest.fixture(autouse=True)
def stay_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests from waiting for others, which lasts as long as the process."""
    monkeypatch.setattr("server.library.ffmpeg.child.wait_for_others", lambda: None)


def test_named_videos_get_levels(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = bring(database_url, tmp_path, TINY, TINY)
    assert encode(database_url, str(second), "--json") == 0
    told = capsys.readouterr()
    assert "1 level queued" in told.err
    done = json.loads(told.out)
    assert (done["status"], done["video_id"], done["height"]) == ("ready", second, 144)
    assert encode(database_url, "--all") == 0
    told = capsys.readouterr()
    assert f"clip0.mp4 (video {first}) at 144: video " in told.out
    assert list_states(database_url) == ["ready", "ready"]


def test_level_gets_no_levels(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [video] = bring(database_url, tmp_path, TINY)
    assert encode(database_url, str(video)) == 0
    [(level,)] = run(database_url, "SELECT video_id FROM levels")
    capsys.readouterr()
    assert encode(database_url, str(level)) == 1
    sentence = f"video {level} is a level of video {video}: name that one instead"
    assert sentence in capsys.readouterr().err


def test_failure_is_told_and_tried_again(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database_url, "INSERT INTO videos (filename, video_data) VALUES ('a.mp4', 'x')")
    queue(database_url, 144)
    assert encode(database_url) == 1
    assert "a.mp4 (video 1) at 144: failed, for it is no MP4" in capsys.readouterr().err
    assert encode(database_url) == 0
    assert encode(database_url, "--again") == 1
    assert "1 level queued" in capsys.readouterr().err


def test_cancelled_level_is_not_made(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = bring(database_url, tmp_path, TINY, TINY)
    queue(database_url, 144)
    assert encode(database_url, "--cancel", str(first)) == 0
    assert "1 level cancelled" in capsys.readouterr().err
    assert encode(database_url) == 0
    assert list_states(database_url) == ["cancelled", "ready"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cancel"], "nothing says what to cancel"),
        (["--all", "1"], "--all and VIDEO exclude each other"),
        (["7"], "there is no video 7"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sentence: str,
) -> None:
    assert encode(database_url, *options) == 1
    assert sentence in capsys.readouterr().err


def test_older_schema_is_told(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode(empty_url, "--all") == 1
    assert "run bytereel migrate" in capsys.readouterr().err
