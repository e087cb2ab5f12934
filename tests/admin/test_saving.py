"""Saving an upload: what it declares, and what fails of ours, is never a 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.admin.saving import plan_compression
from server.library.clips import checking
from server.library.imports import files
from tests.admin.client import Admin, serving_admin
from tests.admin.test_uploads import save, upload
from tests.clips import Kind, make, patch
from tests.library.imports.test_rows import declare_ages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def admin(cluster: str, template: str, tmp_path: Path) -> Iterator[Admin]:
    spool = tmp_path / "spool"
    spool.mkdir()
    with serving_admin(cluster, template, "saving", spool) as admin:
        yield admin


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "good.mp4")


@pytest.mark.parametrize("repair", ["none", "fix"])
def test_clip_that_declares_ages_is_answered(
    admin: Admin, clip: Path, repair: str
) -> None:
    ages = patch(clip.with_name("ages.mp4"), clip, b"mvhd", declare_ages)
    uploaded = upload(admin, "ages.mp4", ages.read_bytes())
    answer = save(admin, uploaded, repair=repair)
    assert answer.status in {201, 422}


def fail(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("by zero")


def test_what_fails_of_ours_is_a_sentence(
    admin: Admin, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(checking, "read_movie", fail)
        uploaded = upload(admin, "good.mp4", clip.read_bytes())
    assert [flaw["code"] for flaw in uploaded["flaws"]] == ["not-checked"]
    assert not uploaded["playable"]
    with monkeypatch.context() as broken:
        broken.setattr(files, "build_row", fail)
        answer = save(admin, uploaded)
    assert answer.status == 422
    assert answer.error.startswith(
        "good.mp4 could not be checked, for bytereel itself failed "
        "(ZeroDivisionError: by zero, in files.py"
    )
    assert save(admin, uploaded).status == 201


def test_upload_is_queued_for_levels(
    cluster: str, template: str, tmp_path: Path
) -> None:
    clip = make(tmp_path / "clip.mp4", Kind(width=96, height=96)).read_bytes()
    spool = tmp_path / "spool"
    spool.mkdir()
    compression = plan_compression("levels", (64, 96))
    opened = serving_admin(cluster, template, "queueing", spool, compression)
    with opened as admin:
        saved = save(admin, upload(admin, "clip.mp4", clip)).body
        found = admin.ask("GET", f"/v3/admin/videos/{saved['video_id']}").body
    assert found["levels"] == [
        {
            "height": 64,
            "state": "queued",
            "progress": 0.0,
            "reason": None,
            "level_id": None,
            "bytes": None,
            "bit_rate": None,
        }
    ]


@pytest.mark.parametrize(
    ("choice", "levels", "repair"),
    [("off", (), "none"), ("levels", (64,), "none"), ("replace", (64,), "transcode")],
)
def test_choice_tells_what_becomes_of_uploads(
    choice: str, levels: tuple[int, ...], repair: str
) -> None:
    assert plan_compression(choice, (64,)) == (levels, repair)
