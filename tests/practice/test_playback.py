"""How clips played: read with bounds, summed by clip, day, level and network."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from server.errors import Fault
from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.postgres.queries import queries
from server.practice.play_counts import (
    COLUMNS,
    PLAYS,
    WIDTH,
    Play,
    list_rows,
)
from server.practice.playback import BODY_MAX, PLAYS_MAX, parse_plays
from server.practice.tally import Tally, save
from tests.breakable import breakable
from tests.conftest import execute, insert_video, serve_database
from tests.postgres.test_schema import run
from tests.practice.test_views import opened
from tests.waiting import until
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served

DAY = date(2026, 1, 31)
ONE = {"video_id": 1}
WHOLE = {
    "video_id": 1,
    "level": 360,
    "first_frame_ms": 412,
    "stalls": 2,
    "stalled_ms": 700,
    "watched_ms": 9000,
    "kbit_per_s": 3400,
    "network": "4g",
    "error": "network",
}
SUMS = f"SELECT level, network, {', '.join(COLUMNS)} FROM playback ORDER BY 1, 2"


@pytest.fixture(scope="module")
def database_url(cluster: str, template: str) -> str:
    """Return the URL of a database for all tests here."""
    admin = cluster.format(database="postgres")
    execute(admin, f"CREATE DATABASE playback TEMPLATE {template}")
    return cluster.format(database="playback")


@pytest.fixture
def url(database_url: str) -> str:
    """Return its URL with one video, which has a level of 360 x 640."""
    run(database_url, "TRUNCATE videos, view_senders RESTART IDENTITY CASCADE")
    for name in ("a.mp4", "a.360.mp4"):
        insert_video(database_url, name, b"abc")
    run(database_url, "INSERT INTO levels VALUES (2, 1, 360, 640, 9, 30, 'avc1')")
    return database_url


def body(*plays: object) -> bytes:
    return json.dumps({"plays": plays}).encode()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (b"[]", r"^The body must be a JSON object"),
        (b"{}", r"^plays is missing"),
        (body(*[ONE] * (PLAYS_MAX + 1)), r"^plays must be a list of at most 50"),
        (body({}), r"^plays\[0\]\.video_id is missing"),
        *(
            (body(ONE | {name: value}), rf"^plays\[0\]\.{name} must be {allowed}")
            for name, value, allowed in (
                ("video_id", 0, "a whole number from 1 to"),
                ("level", 0, "a whole number from 1 to 10000"),
                ("level", 10_001, "a whole number from 1 to 10000"),
                ("first_frame_ms", -1, "a whole number from 0 to 600000"),
                ("first_frame_ms", 600_001, "a whole number from 0 to 600000"),
                ("stalls", None, "a whole number from 0 to 1000"),
                ("stalls", 1_001, "a whole number from 0 to 1000"),
                ("stalled_ms", 0.5, "a whole number from 0 to 86400000"),
                ("watched_ms", 86_400_001, "a whole number from 0 to 86400000"),
                ("kbit_per_s", "1", "a whole number from 0 to 10000000"),
                ("network", "4" * 21, "text of 0 to 20 characters"),
                ("error", "aborted", "network, decode or unsupported"),
            )
        ),
    ],
)
def test_fault_names_what_is_wrong(given: bytes, complaint: str) -> None:
    with pytest.raises(Fault, match=complaint):
        parse_plays(given)


def test_plays_are_read() -> None:
    assert parse_plays(body(ONE, WHOLE | {"more": [{}]})) == [
        Play(1),
        Play(1, 360, 412, 2, 700, 9000, 3400, "4g", "network"),
    ]
    nothing = dict.fromkeys(("level", "first_frame_ms", "kbit_per_s", "network"))
    assert parse_plays(body(ONE | nothing | {"error": None})) == [Play(1)]


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [(0, 0), (100, 0), (101, 1), (15_000, 19), (15_001, 20), (600_000, 20)],
)
def test_first_pictures_come_into_buckets(milliseconds: int, bucket: int) -> None:
    ((_, numbers),) = list_rows([Play(1, first_frame_ms=milliseconds)], DAY)
    assert len(numbers) == WIDTH
    buckets = numbers[len(COLUMNS) :]
    assert (buckets.index(1), sum(buckets)) == (bucket, 1)
    assert len(buckets) == len(FIRST_FRAME_MS) + 1


@pytest.mark.parametrize(
    ("network", "kept"), [(None, "other"), ("6g", "other"), ("wifi", "wifi")]
)
def test_unknown_networks_are_one(network: str | None, kept: str) -> None:
    (((_, _, level, found), numbers),) = list_rows([Play(1, network=network)], DAY)
    assert (level, found) == (0, kept)
    assert numbers == [1] + [0] * (WIDTH - 1)  # without a picture


async def post(
    served: Served, data: bytes, kind: str = "text/plain"
) -> tuple[int, Any]:
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.post(
            "/v3/playback", data=data, headers={"Content-Type": kind}
        ) as answer,
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json() if answer.status != 204 else None


async def test_plays_are_summed_and_told(url: str) -> None:
    told = body(WHOLE, WHOLE, WHOLE | {"level": 640}, ONE | {"network": "wifi"})
    strange = body(WHOLE | {"level": 361}, WHOLE | {"video_id": 9}, {"video_id": 2**40})
    async with serve_database(url, cache_bytes=0) as served:
        assert await post(served, told) == (204, None)
        assert await post(served, told, "application/json") == (204, None)
        assert await post(served, strange) == (204, None)
        for status, data, kind in (
            (400, b"{", "application/json"),
            (413, b"x" * (BODY_MAX + 1), "text/plain"),
            (415, told, "application/x-www-form-urlencoded"),
        ):
            found, answer = await post(served, data, kind)
            assert (found, list(answer)) == (status, ["error"])
    assert run(url, SUMS) == [
        (0, "wifi", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (360, "4g", 4, 8, 2800, 36000, 1648, 4, 13600, 4, 0, 0),
        (640, "4g", 2, 4, 1400, 18000, 824, 2, 6800, 2, 0, 0),
    ]
    run(url, "DELETE FROM videos")
    assert run(url, SUMS) == []


async def test_largest_report_is_taken(url: str) -> None:
    largest = {
        "video_id": 2**63 - 1,
        "level": 10_000,
        "first_frame_ms": 600_000,
        "stalls": 1_000,
        "stalled_ms": 86_400_000,
        "watched_ms": 86_400_000,
        "kbit_per_s": 10_000_000,
        "network": "\u00e4" * 20,
        "error": "unsupported",
    }
    async with serve_database(url, cache_bytes=0) as served:
        assert await post(served, body(*[largest] * PLAYS_MAX)) == (204, None)


async def test_report_whose_answer_is_lost_counts_once(url: str) -> None:
    tally = Tally(PLAYS)
    today = run(url, "SELECT (now() AT TIME ZONE 'UTC')::date")[0][0]
    async with breakable(url) as proxy, opened(proxy.url) as database:
        await database.fetch("SELECT 1", {})
        tally.add(list_rows([Play(1)], today))
        proxy.limit = 0  # of the answer nothing arrives
        assert not await save(database, tally)
        await until(lambda: run(url, SUMS))
        assert await save(database, tally)
    assert run(url, "SELECT plays FROM playback") == [(1,)]


async def test_old_days_go_and_processes_do_not_stop_each_other(url: str) -> None:
    today = run(url, "SELECT (now() AT TIME ZONE 'UTC')::date")[0][0]
    kept, old = today - timedelta(92), today - timedelta(93)
    tallies = [Tally(PLAYS) for _ in range(4)]
    async with opened(url) as database:
        tallies[0].add(list_rows([Play(1)], kept) + list_rows([Play(1)], old))
        assert await save(database, tallies[0])
        for place, tally in enumerate(tallies):
            order = ["3g", "4g", "wifi", None][:: 1 if place % 2 else -1]
            plays = [Play(1, network=each, first_frame_ms=300) for each in order]
            tally.add(list_rows(plays, today))
        assert all(await asyncio.gather(*(save(database, each) for each in tallies)))
    days = run(url, "SELECT day, sum(plays) FROM playback GROUP BY day ORDER BY day")
    assert days == [(kept, 1), (today, 16)]
    frames = "SELECT DISTINCT first_frames[5] FROM playback ORDER BY 1"
    assert run(url, frames) == [(0,), (4,)]


async def measure(url: str, by: str) -> list[tuple[Any, ...]]:
    values = {"by": by, "bounds": list(FIRST_FRAME_MS)}
    async with opened(url) as database:
        rows = await database.fetch(queries()["measure_playback"], values)
    return [tuple(row) for row in rows]


async def test_median_and_stalls_are_told(url: str) -> None:
    today = run(url, "SELECT (now() AT TIME ZONE 'UTC')::date")[0][0]
    insert_video(url, "b.mp4", b"abc")
    plays = [
        *[Play(1, None, 120, 0, 0, 9000, 1000, "4g")] * 6,
        *[Play(1, 360, 350, 1, 500, 4500, 3000, "4g")] * 4,
        *[Play(3, None, 99_999, 3, 0, 0, None, "3g", "network")] * 2,
        Play(3, None, None, 0, 0, 0, None, "3g", "unsupported"),
    ]
    tally = Tally(PLAYS)
    async with opened(url) as database:
        assert await measure(url, "all") == []
        tally.add(list_rows(plays, today) + list_rows(plays, today - timedelta(28)))
        assert await save(database, tally)
    # Of ten, six lie from 100 to 150 ms and four from 300 to 400 ms.
    fast = (10, 0, 142, 375, 4, 0.4, 2.7, 1800, 0)
    slow = (3, 1, 15_000, 15_000, 6, 2.0, None, None, 3)
    assert await measure(url, "network") == [(None, "4g", *fast), (None, "3g", *slow)]
    assert await measure(url, "video") == [(3, "b.mp4", *slow), (1, "a.mp4", *fast)]
    assert [row[1:3] for row in await measure(url, "level")] == [("0", 9), ("360", 4)]
    ((_, name, count, without, *_),) = await measure(url, "all")
    assert (name, count, without) == ("all", 13, 1)


async def test_plays_at_a_stop_are_said_to_be_lost(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(url, "ALTER TABLE playback RENAME TO others")
    try:
        async with serve_database(url, cache_bytes=0) as served:
            assert await post(served, body(ONE, ONE)) == (204, None)
            async with connect(served.port) as wire:
                _, metrics = await wire.get("/metrics")
    finally:
        run(url, "ALTER TABLE others RENAME TO playback")
    assert b"bytereel_playback_waiting 2.0" in metrics
    assert b"bytereel_playback_plays_total 2.0" in metrics
    assert "2 reports of plays are lost: the server stops" in caplog.text
