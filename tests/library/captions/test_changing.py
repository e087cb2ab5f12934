"""bytereel caption: every option, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.conftest import insert_video

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long

VTT = "WEBVTT\n\n00:00:00.100 --> 00:00:00.300\nRun!\n"


def test_captions_of_a_clip_are_kept_listed_printed_and_removed(
    database_url: str, tmp_path: Path
) -> None:
    number = insert_video(database_url, "run.mp4", b"x")
    file = tmp_path / "subs.en.srt"
    file.write_text("1\n00:00:00,100 --> 00:00:00,300\nRun!\n")

    def caption(*options: str, status: int = 0) -> str:
        return command.run(
            "caption", "run.mp4", *options, url=database_url, status=status
        )

    assert caption("--list") == "# this video has no captions\n"
    assert "has no captions" in caption("--remove", status=1)
    line = f"{number} run.mp4  English, en  1 cue\n"
    assert caption(str(file)) == f"added  {line}"
    assert caption(str(file)) == f"exists  {line}"
    assert caption("--print") == VTT
    file.write_text("1\n00:00:00,100 --> 00:00:00,300\nLauf!\n")
    changed = json.loads(caption(str(file), "--language", "EN", "--json"))
    assert changed == {
        "status": "changed",
        "video_id": number,
        "filename": "run.mp4",
        "language": "en",
        "cues": 1,
        "warning": None,
    }
    assert caption(str(file), "--language", "de").startswith("added  ")
    languages = [json.loads(line) for line in caption("--list", "--json").splitlines()]
    assert [each["language"] for each in languages] == ["de", "en"]
    assert "has captions in de, en: add --language" in caption("--print", status=1)
    removed = caption("--remove", "--language", "de")
    assert removed == f"removed  {number} run.mp4  Deutsch, de\n"
    assert json.loads(caption("--print", "--json"))["language"] == "en"
    gone = caption("--print", "--language", "de", status=1)
    assert gone.endswith("has no captions in de: give one of en\n")


@pytest.mark.parametrize(
    ("name", "text", "options", "error"),
    [
        ("a.vtt", VTT, [], "a.vtt does not tell its language: add --language en"),
        ("a.en.vtt", "WEBVTT", [], "a.en.vtt has no cue with a text: give WebVTT or"),
        (
            "a.en.vtt",
            VTT,
            ["--language", "x"],
            "“x” is not a language: give a tag like",
        ),
        ("a.en.vtt", VTT, ["--list"], "not allowed with argument"),
        ("b.en.vtt", None, [], "b.en.vtt is not a file: give a WebVTT or SRT file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    database_url: str,
    tmp_path: Path,
    name: str,
    text: str | None,
    options: list[str],
    error: str,
) -> None:
    number = insert_video(database_url, "run.mp4", b"x")
    if text is not None:
        (tmp_path / name).write_text(text)
    status = 2 if "--list" in options else 1
    told = command.run(
        *("caption", str(number), str(tmp_path / name), *options),
        url=database_url,
        status=status,
    )
    assert error in told
