"""How clips played, as the admin page gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.admin.client import serving_admin
from tests.conftest import insert_video
from tests.postgres.test_schema import run
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

PLAYS = [
    {"video_id": 1, "first_frame_ms": 120, "watched_ms": 900, "network": "4g"},
    {"video_id": 1, "stalls": 3, "stalled_ms": 100, "error": "decode"},
]


async def test_playback_is_told_by_network_level_and_clip(
    cluster: str, template: str, tmp_path: Path
) -> None:
    with serving_admin(cluster, template, "played", tmp_path) as admin:
        assert admin.ask("GET", "/v3/admin/playback", token=None).status == 401
        assert admin.ask("GET", "/v3/admin/playback?days=1").status == 400
        nothing = admin.ask("GET", "/v3/admin/playback").body
        lists: dict[str, object] = {"networks": [], "levels": [], "videos": []}
        assert nothing == {"days": 28, "all": None, **lists}
        insert_video(admin.database_url, "a.mp4", b"abc")
        assert admin.ask("POST", "/v3/playback", {"plays": PLAYS}).status == 204
        await until(lambda: run(admin.database_url, "SELECT plays FROM playback"))
        told = admin.ask("GET", "/v3/admin/playback").body
        run(admin.database_url, "DROP TABLE playback")  # as of a database before
        assert admin.ask("GET", "/v3/admin/playback").body == nothing
    played = {
        "video_id": None,
        "name": "all",
        "plays": 2,
        "without_picture": 1,
        "first_frame_median_ms": 125,
        "first_frame_p90_ms": 145,
        "stalls": 3,
        "stalls_per_play": 1.5,
        "stalled_percent": 10,
        "kbit_per_s": None,
        "errors": 1,
    }
    assert told["all"] == played
    assert told["videos"] == [played | {"video_id": 1, "name": "a.mp4"}]
    assert told["levels"] == [played | {"name": "0"}]
    assert [row["name"] for row in told["networks"]] == ["4g", "other"]
