"""What a file declares fits into its row, and what fails of ours stops no import."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.library.imports import files
from server.library.imports.files import import_paths
from server.library.imports.importer import RepairPolicy
from server.library.imports.rows import MAX_SECONDS, round_seconds
from tests.clips import patch
from tests.conftest import undo_migrations
from tests.library.imports.test_files import ask

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

DRY = RepairPolicy(dry_run=True)


def declare_ages(header: bytearray) -> None:
    """Have a movie header count 2^32-2 units of a second (ISO/IEC 14496-12, 8.2.2)."""
    header[12:20] = (1).to_bytes(4, "big") + (2**32 - 2).to_bytes(4, "big")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three clips, of which the second declares ages."""
    folder = tmp_path_factory.mktemp("media")
    for number, name in enumerate(("a", "b", "c"), 1):
        make_clip(folder / f"{name}.mp4", seconds=number, width=64, height=48)
    patch(folder / "b.mp4", folder / "b.mp4", b"mvhd", declare_ages)
    return folder


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        (0.2, 1),
        (1.5, 2),
        (MAX_SECONDS, MAX_SECONDS),
        *((math.nextafter(MAX_SECONDS, math.inf), None), (2.0**63 - 1, None)),
        *((math.inf, None), (-math.inf, None), (math.nan, None), (0.0, None)),
        (-1.0, None),
    ],
)
def test_seconds_fit_into_the_column_or_are_not_known(
    seconds: float, kept: int | None
) -> None:
    assert round_seconds(seconds) == kept


@pytest.mark.parametrize("policy", [RepairPolicy(), DRY, RepairPolicy(fix=True)])
def test_clip_that_declares_ages_stops_nothing(
    database_url: str, folder: Path, policy: RepairPolicy
) -> None:
    first, ages, last = import_paths(database_url, [folder], policy)
    assert (first.error, last.error) == (None, None)
    assert ages.file == str(folder / "b.mp4")
    assert (ages.duration_seconds or 0) <= MAX_SECONDS


@pytest.mark.parametrize("step", ["find_same", "check_media", "build_row", "keep_file"])
def test_what_fails_of_ours_rejects_one_file(
    database_url: str,
    folder: Path,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    right, calls = getattr(files, step), 0

    def fail_second(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OverflowError("it is too much")
        return right(*given, **named)

    monkeypatch.setattr(files, step, fail_second)
    with caplog.at_level(logging.ERROR):
        done = list(import_paths(database_url, [folder], jobs=1))
    assert [each.status for each in done] == ["imported", "rejected", "imported"]
    error = done[1].error or ""
    assert error.startswith(
        f"{folder}/b.mp4 could not be checked, for bytereel itself failed "
        "(OverflowError: it is too much, in files.py, line "
    )
    assert error.endswith("): report it; the file may be fine")
    assert "Traceback" in caplog.text
    assert "fail_second" in caplog.text
    assert ask(database_url, "SELECT count(*) FROM videos") == [(2,)]


@pytest.mark.parametrize(
    ("choice", "heights"), [("off", []), ("levels", [32, 40]), ("replace", [32, 40])]
)
def test_levels_below_the_clip_are_queued_with_it(
    database_url: str, folder: Path, choice: str, heights: list[int]
) -> None:
    policy = RepairPolicy().compressing(choice, (32, 40, 48, 720))
    [done] = import_paths(database_url, [folder / "a.mp4"], policy)
    queued = "SELECT height FROM encodings WHERE video_id = {} AND state = 'queued'"
    found = ask(database_url, queued.format(done.video_id) + " ORDER BY height")
    assert [height for (height,) in found] == heights
    assert policy.transcode is (choice == "replace")


def test_clip_without_a_queue_is_imported_all_the_same(
    database_url: str, folder: Path
) -> None:
    undo_migrations(database_url, "0012_create_levels")
    policy = RepairPolicy(levels=(32,))
    [done] = import_paths(database_url, [folder / "a.mp4"], policy)
    assert done.status == "imported"
