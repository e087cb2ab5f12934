from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.imports.folder import FolderOptions, import_folder
from server.library.imports.importer import RepairPolicy
from server.library.imports.summary import Summary
from tests.clips import Kind, make

if TYPE_CHECKING:
    from pathlib import Path


def bring(
    url: str, folder: Path, policy: RepairPolicy, jobs: int
) -> list[tuple[str, list[str]]]:
    """Return the status of each file, and what is wrong with it."""
    options = FolderOptions(jobs=jobs)
    rows = import_folder(url, [folder], policy, options, Summary())
    return [
        (done.status, [f"{flaw.code} {flaw.sentence}" for flaw in done.flaws])
        for done in rows
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of a clip, two copies of it, and another one with a copy."""
    data = make(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data)
    (tmp_path / "c.mp4").write_bytes(data)
    late = make(tmp_path / "x.mp4", Kind(movflags="", frames=5)).read_bytes()
    (tmp_path / "y.mp4").write_bytes(late)
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("dry_run", [True, False])
def test_copies_in_a_run_are_told_in_order(
    database_url: str, folder: Path, jobs: int, dry_run: bool
) -> None:
    policy = RepairPolicy(fix=True, dry_run=dry_run)
    rows = bring(database_url, folder, policy, jobs)
    first = [f"same-bytes has the same bytes as {folder}/a.mp4"]
    fourth = [f"same-bytes has the same bytes as {folder}/x.mp4"]
    assert [flaws for _, flaws in rows] == [[], first, first, [], fourth]
    assert all("import" in status for status, _ in rows)


@pytest.mark.long
@pytest.mark.parametrize("dry_run", [True, False])
def test_copy_of_a_video_in_the_table_is_told(
    database_url: str, folder: Path, dry_run: bool
) -> None:
    policy = RepairPolicy(fix=True)
    for name in ("a.mp4", "x.mp4"):  # the second one is repaired
        assert bring(database_url, folder / name, policy, 1) == [("imported", [])]
    status = "would-import" if dry_run else "imported"
    of_first = ["same-bytes has the same bytes as video 1 (a.mp4)"]
    of_second = ["same-bytes has the same bytes as video 2 (x.mp4)"]
    assert bring(database_url, folder, policy._replace(dry_run=dry_run), 2) == [
        ("exists", []),
        (status, of_first),
        (status, of_first),
        ("exists", []),
        (status, of_second),
    ]
