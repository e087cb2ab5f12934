"""Levels of a clip: cancelled, and asked for again, from the admin page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.admin.saving import Compression
from tests.admin.client import serving_admin
from tests.clips import GOOD, make
from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.admin.client import Admin

PATH = "/v3/admin/videos/1/levels"


@pytest.fixture
def admin(cluster: str, template: str, tmp_path: Path) -> Iterator[Admin]:
    """Yield a server whose uploads get a level of 144, with two clips."""
    compression = Compression((144,))
    with serving_admin(cluster, template, "leveled", tmp_path, compression) as admin:
        for name in ("a.mp4", "b.mp4"):
            insert_video(admin.database_url, name, b"abc")
        yield admin


def list_states(admin: Admin) -> list[tuple[int, int, str]]:
    rows = run(admin.database_url, "SELECT video_id, height, state FROM encodings")
    return sorted(
        (int(video), int(height), str(state)) for video, height, state in rows
    )


def test_levels_are_cancelled_and_queued_again(admin: Admin) -> None:
    run(
        admin.database_url,
        "INSERT INTO encodings (video_id, height, state, reason) VALUES"
        " (1, 240, 'encoding', NULL), (1, 360, 'failed', 'no'), (2, 240, 'queued', '')",
    )
    done = admin.ask("POST", PATH, {"action": "cancel"})
    assert (done.status, done.body["changed"]) == (200, 1)
    told = [(each["height"], each["state"]) for each in done.body["levels"]]
    assert told == [(240, "cancelled"), (360, "failed")]
    assert admin.ask("POST", PATH, {"action": "cancel"}).body["changed"] == 0
    assert admin.ask("POST", PATH, {"action": "again"}).body["changed"] == 3
    assert list_states(admin) == [
        *[(1, height, "queued") for height in (144, 240, 360)],
        (2, 240, "queued"),
    ]


def test_heights_of_the_clip_itself_are_not_queued(
    cluster: str, template: str, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    clips = {
        "lies": GOOD._replace(width=480, height=240),
        "stands": GOOD._replace(width=144, height=480),
        "small": GOOD,
    }
    compression = Compression((144, 240, 360))
    with serving_admin(
        cluster, template, "needless", tmp_path / "spool", compression
    ) as admin:
        for name, kind in clips.items():
            data = make(tmp_path / name, kind).read_bytes()
            insert_video(admin.database_url, name, data)
        changed = []
        for video in (1, 2, 3):
            path = f"/v3/admin/videos/{video}/levels"
            changed.append(admin.ask("POST", path, {"action": "again"}).body["changed"])
        assert changed == [1, 0, 0]
        assert list_states(admin) == [(1, 144, "queued")]
        admin.ask("POST", PATH, {"action": "cancel"})
        assert admin.ask("POST", PATH, {"action": "again"}).body["changed"] == 1
        assert list_states(admin) == [(1, 144, "queued")]


def test_what_is_wrong_changes_nothing(admin: Admin) -> None:
    assert admin.ask("POST", PATH, {"action": "again"}, token=None).status == 401
    for body in ({}, {"action": "delete"}, {"action": "again", "video": 2}):
        assert admin.ask("POST", PATH, body).status == 400
    missing = admin.ask("POST", "/v3/admin/videos/9/levels", {"action": "again"})
    assert (missing.status, missing.error) == (404, "There is no video 9.")
    assert list_states(admin) == []
