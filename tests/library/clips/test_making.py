"""Previews made beforehand, by the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from server.cli import main
from tests.conftest import insert_video
from tests.library.clips.test_thumbnail import film
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_is_missing_is_made_once(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seconds in (("long.mp4", 22), ("short.mp4", 2)):
        path = film(tmp_path / name, [(n % 200, 100) for n in range(seconds * 10)])
        video = insert_video(database_url, name, path.read_bytes())
        run(
            database_url,
            f"UPDATE videos SET duration_seconds = {seconds} WHERE id = {video}",
        )
    command = ["preview", "--database-url", database_url]
    assert main([*command, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["status"], row["filename"], row["kind"]) for row in rows] == [
        ("made", "long.mp4", "animation"),
        ("made", "long.mp4", "storyboard"),
        ("made", "short.mp4", "animation"),
    ]
    assert main(command) == 0
    assert capsys.readouterr().out == "# every video has its previews\n"
    assert main([*command, "short.mp4"]) == 0
    assert capsys.readouterr().out.startswith("exists  2 short.mp4: animation")
    insert_video(database_url, "broken.mp4", b"no film")
    assert main(command) == 1
    assert "broken.mp4: animation: FFmpeg finds no picture" in capsys.readouterr().out
