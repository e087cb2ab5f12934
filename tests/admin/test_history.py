"""The last hour: what a page draws from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.admin import history
from server.admin.history import Point, estimate_edge, find_quantile
from server.app import build_app
from server.postgres.pool import Database
from server.postgres.queries import queries
from server.serving.listen import answering, bind
from server.telemetry.metrics import BOUNDS
from tests.conftest import execute, insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = "history-needs-a-token"


@pytest.mark.parametrize(
    ("counts", "share", "milliseconds"),
    [
        ([], 0.5, None),
        ([0, 0, 0], 0.99, None),
        ([4], 0.5, 0.05),
        ([0, 10], 1.0, 0.25),
        ([0, 10], 0.5, 0.175),
        ([1, 1], 0.5, 0.1),
        ([99, 0, 1], 0.99, 0.1),
        ([98, 0, 2], 0.99, 0.375),
        ([0] * len(BOUNDS) + [7], 0.5, 30_000),
    ],
)
def test_quantile_lies_in_its_bucket(
    counts: Sequence[int], share: float, milliseconds: float | None
) -> None:
    assert find_quantile(counts, share) == milliseconds


@pytest.mark.parametrize(
    ("plays", "video_bytes", "mean_bytes", "share"),
    [(0, 500, 1000, None), (10, 1000, 1000, 0.9), (1, 5000, 1000, 0), (2, 0, 0, None)],
)
def test_edge_has_sent_what_we_have_not(
    plays: int, video_bytes: int, mean_bytes: int, share: float | None
) -> None:
    point = Point(0, 0, 0, 0, 0, video_bytes, [], plays)
    assert estimate_edge([point], mean_bytes) == share


async def test_history_tells_of_what_just_happened(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STEP_SECONDS", 0.5)
    number = insert_video(database_url, "a.mp4", b"a" * 1000)
    execute(
        database_url,
        f"INSERT INTO video_views VALUES ({number}, (now() AT TIME ZONE 'UTC')::date,"
        " 5, 4, 3, 2)",
    )
    app = build_app(database_url, admin_token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        async with answering(app, listening), connect(port) as wire:
            for _ in range(7):
                await wire.get(f"/v3/videos/{number}", {"Range": "bytes=0-99"})
            await wire.get("/v3/videos/99")
            points: list[dict[str, int]] = []
            while sum(point["video_requests"] for point in points) < 8:
                head, body = await wire.get("/v3/admin/history", bearer)
                assert head.status == 200
                told = json.loads(body)
                points = told["points"]
            refused, _ = await wire.get("/v3/admin/history")
    assert refused.status == 401
    assert sum(point["video_bytes"] for point in points) == 700 + 28
    assert sum(point["client_errors"] for point in points) == 1
    for point in told["points"]:
        known = [each is not None for each in point["first_byte_ms"]]
        assert known == [point["video_requests"] > 0] * 3
    today = told["days"][-1]
    assert (today["started"], today["completed"]) == (5, 2)
    assert today["video_bytes"] == 1000
    assert len(told["days"]) == 28


async def test_days_add_up_what_came_until_then(database_url: str) -> None:
    for name in ("old", "new", "future"):
        insert_video(database_url, name, b"a" * 10)
    execute(
        database_url,
        "UPDATE videos SET created_at = now() + CASE filename WHEN 'old'"
        " THEN interval '-90 days' WHEN 'new' THEN interval '-2 days'"
        " ELSE interval '2 days' END",
    )
    database = Database(database_url)
    await database.open()
    days = await database.fetch(queries()["list_days"], {})
    await database.close()
    assert [row[3] for row in days] == [10] * 25 + [20] * 3
    assert [row[1:3] for row in days] == [(0, 0)] * 28


async def test_hour_is_told_without_a_database() -> None:
    app = build_app("postgresql://127.0.0.1:1/none", admin_token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        async with answering(app, listening), connect(port) as wire:
            head, body = await wire.get("/v3/admin/history", bearer)
            wrong, _ = await wire.get("/v3/admin/history?days=3", bearer)
    told = json.loads(body)
    assert (head.status, wrong.status) == (200, 400)
    assert told["points"] == told["days"] == []
    assert told["table_bytes"] is None
