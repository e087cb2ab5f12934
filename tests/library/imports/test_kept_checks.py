from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.cli import main
from tests.clips import Kind, make

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
def test_clip_that_exists_tells_what_is_wrong_with_it(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = make(tmp_path / "late.mp4", Kind(movflags=""))
    database = ["--database-url", database_url]
    again = ["import", "--fix", str(late), *database]
    assert main(["import", str(late), *database]) == 0
    assert "bytereel replace 1 --fix" in capsys.readouterr().err
    assert main(again) == 0
    assert capsys.readouterr().err == ""  # nobody has checked it
    assert main(["check", "--all", *database]) == 3
    capsys.readouterr()
    assert main(again) == 0
    text = capsys.readouterr()
    assert text.out == f"exists  1  {late}\n"
    assert text.err.startswith("warning moov-after-mdat: ")
    assert text.err.endswith(": bytereel replace 1 --fix\n")
    assert main(["replace", "1", "--fix", *database]) == 0
    assert main(["check", "--all", *database]) == 0
    capsys.readouterr()
    assert main(again) == 0
    assert capsys.readouterr().err == ""
