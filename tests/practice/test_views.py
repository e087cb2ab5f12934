"""Views: counted a video and day, each once, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from psycopg2.extensions import make_dsn

from server.errors import Fault
from server.postgres.pool import Database
from server.practice.tally import PATIENCE_SECONDS, ROWS_MAX, Tally, save
from server.practice.view_counts import VIEWS, list_rows
from server.practice.views import BODY_MAX, VIEWS_MAX, parse_views
from tests.breakable import breakable
from tests.conftest import execute, insert_video, serve_database
from tests.postgres.test_schema import run
from tests.waiting import until
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Served

DAY, NEXT = date(2026, 1, 31), date(2026, 2, 1)
COUNTED = (
    "SELECT video_id, day, started, quarter, half, completed FROM video_views"
    " ORDER BY video_id, day"
)
ONE = {"video_id": 1, "reached": "started"}


@pytest.fixture(scope="module")
def database_url(cluster: str, template: str) -> str:
    """Return the URL of a database for all tests here."""
    admin = cluster.format(database="postgres")
    execute(admin, f"CREATE DATABASE views TEMPLATE {template}")
    return cluster.format(database="views")


@pytest.fixture
def url(database_url: str) -> str:
    """Return its URL when nothing is in it."""
    run(database_url, "TRUNCATE videos, view_senders RESTART IDENTITY CASCADE")
    return database_url


def body(*views: object) -> bytes:
    return json.dumps({"views": views}).encode()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (b"[]", r"^The body must be a JSON object"),
        (b'{"views": [}', r"^The body is not JSON at line 1, column 12"),
        (b"\xff", r"^Byte 0 of the body is not UTF-8"),
        (b"{}", r"^views is missing"),
        (b'{"views": [], "views": []}', r"^views is given twice"),
        (b'{"views": {}}', r"^views must be a list of at most 50"),
        (b'{"views": 5}', r"^views must be a list"),
        (body(*[ONE] * (VIEWS_MAX + 1)), r"^views must be a list of at most 50"),
        (body(ONE, []), r"^views\[1\] must be a JSON object"),
        (body({"reached": "half"}), r"^views\[0\]\.video_id is missing"),
        (body(ONE | {"video_id": 0}), r"^views\[0\]\.video_id must be a whole"),
        (body(ONE | {"video_id": "1"}), r"^views\[0\]\.video_id must be a whole"),
        (body(ONE | {"reached": "all"}), r"^views\[0\]\.reached must be started, "),
        (body(ONE | {"reached": ["half"]}), r"^views\[0\]\.reached must be started"),
    ],
)
def test_fault_names_what_is_wrong(given: bytes, complaint: str) -> None:
    with pytest.raises(Fault, match=complaint):
        parse_views(given)


def test_views_are_read() -> None:
    given = body(ONE, {"video_id": 7.0, "reached": "completed", "more": [{}]})
    assert parse_views(given) == [(1, "started"), (7, "completed")]
    assert parse_views(b'{"views": []}') == []


async def post(served: Served, data: bytes, kind: str) -> tuple[int, Any]:
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.post("/v3/views", data=data, headers={"Content-Type": kind}) as answer,
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json() if answer.status != 204 else None


async def test_views_are_counted_before_the_server_stops(url: str) -> None:
    insert_video(url, "a.mp4", b"abc")
    views = body(ONE, ONE, ONE | {"reached": "half"}, ONE | {"video_id": 2})
    largest = body(*[{"video_id": 2**31 - 1, "reached": "completed"}] * VIEWS_MAX)
    async with serve_database(url, cache_bytes=0) as served:
        for kind in ("application/json", "text/plain;charset=UTF-8"):
            assert await post(served, views, kind) == (204, None)
        assert await post(served, largest, "text/plain") == (204, None)
        for status, data, kind in (
            (400, b"{", "application/json"),
            (413, b"x" * (BODY_MAX + 1), "text/plain"),
            (415, views, "application/x-www-form-urlencoded"),
            (415, views, "text/plain; charset=utf-16"),
        ):
            found, answer = await post(served, data, kind)
            assert (found, list(answer)) == (status, ["error"])
    today = "now() AT TIME ZONE 'UTC'"
    counted = f"SELECT video_id, day = ({today})::date, started, half FROM video_views"
    assert run(url, counted) == [(1, True, 4, 2)]
    run(url, "DELETE FROM videos")
    assert run(url, COUNTED) == []


async def test_views_come_into_the_table_by_themselves(url: str) -> None:
    insert_video(url, "a.mp4", b"abc")
    async with serve_database(url, cache_bytes=0) as served:
        await post(served, body(ONE), "text/plain")
        await until(lambda: run(url, COUNTED))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, wait_seconds=0.3)
    await database.open()
    yield database
    await database.close()


async def test_views_add_up_by_video_and_day(url: str) -> None:
    for name in ("a.mp4", "b.mp4"):
        insert_video(url, name, b"abc")
    tally = Tally(VIEWS)
    async with opened(url) as database:
        assert await save(database, tally)  # nothing
        tally.add(list_rows([(2, "started"), (1, "started"), (2, "completed")], DAY))
        tally.add(list_rows([(1, "quarter")], NEXT))
        assert await save(database, tally)
        tally.add(list_rows([(1, "started"), (3, "started"), (2**40, "half")], DAY))
        assert await save(database, tally)
        assert not tally.some.is_set()
    assert run(url, COUNTED) == [
        (1, DAY, 2, 0, 0, 0),
        (1, NEXT, 0, 1, 0, 0),
        (2, DAY, 1, 0, 0, 1),
    ]


async def test_batch_whose_answer_is_lost_counts_once(url: str) -> None:
    insert_video(url, "a.mp4", b"abc")
    tally = Tally(VIEWS)
    async with breakable(url) as proxy, opened(proxy.url) as database:
        await database.fetch("SELECT 1", {})
        tally.add(list_rows([(1, "started")], DAY))
        proxy.limit = 0  # of the answer nothing arrives
        assert not await save(database, tally)
        await until(lambda: run(url, COUNTED))
        tally.add(list_rows([(1, "started")], DAY))  # meanwhile
        assert await save(database, tally)
        assert run(url, COUNTED) == [(1, DAY, 1, 0, 0, 0)]
        assert await save(database, tally)
        assert run(url, COUNTED) == [(1, DAY, 2, 0, 0, 0)]
        tally.add(list_rows([(1, "started")], DAY))
        await proxy.refuse()
        assert not await save(database, tally)  # and kept
    async with opened(url) as database:
        assert await save(database, tally)
    assert run(url, COUNTED) == [(1, DAY, 3, 0, 0, 0)]


async def test_processes_do_not_stop_each_other(url: str) -> None:
    videos = [insert_video(url, f"{n}.mp4", b"abc") for n in range(40)]
    tallies = [Tally(VIEWS) for _ in range(6)]
    async with opened(url) as database:
        for _ in range(5):
            for place, tally in enumerate(tallies):
                order = videos if place % 2 else videos[::-1]
                tally.add(list_rows([(video, "half") for video in order], DAY))
            saved = await asyncio.gather(*(save(database, tally) for tally in tallies))
            assert all(saved)
    assert run(url, COUNTED) == [(video, DAY, 0, 0, 30, 0) for video in videos]


async def test_views_wait_until_the_table_is_there(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    insert_video(url, "a.mp4", b"abc")
    run(url, "ALTER TABLE video_views RENAME TO others")
    tally = Tally(VIEWS)
    async with opened(url) as database:
        for count in (1, 2, 3):
            assert tally.add(list_rows([(1, "started")], DAY))
            assert not await save(database, tally)
            assert tally.waiting == count
        run(url, "ALTER TABLE others RENAME TO video_views")
        assert await save(database, tally)
        assert await save(database, tally)
    assert run(url, COUNTED) == [(1, DAY, 3, 0, 0, 0)]
    assert (tally.waiting, tally.lost) == (0, 0)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "views wait to be written",
        "views are written again after 0 s",
    ]


async def test_views_wait_while_the_database_is_read_only(url: str) -> None:
    insert_video(url, "a.mp4", b"abc")
    tally = Tally(VIEWS)
    read_only = make_dsn(url, options="-c default_transaction_read_only=on")
    async with opened(read_only) as database:
        tally.add(list_rows([(1, "started")], DAY))
        assert not await save(database, tally)
        assert tally.some.is_set()
    async with opened(url) as database:
        assert await save(database, tally)
    assert run(url, COUNTED) == [(1, DAY, 1, 0, 0, 0)]


async def test_views_that_no_table_takes_are_said_to_be_lost(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    tally = Tally(VIEWS)
    tally.sender = "no UUID"
    async with opened(url) as database:
        tally.add(list_rows([(1, "started"), (1, "half")], DAY))
        assert not await save(database, tally)
    assert (tally.waiting, tally.lost) == (0, 2)
    assert "2 views are lost: invalid input syntax" in caplog.text


async def test_views_at_a_stop_are_said_to_be_lost(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    read_only = make_dsn(url, options="-c default_transaction_read_only=on")
    async with serve_database(read_only, cache_bytes=0) as served:
        assert await post(served, body(ONE, ONE), "text/plain") == (204, None)
        async with connect(served.port) as wire:
            _, metrics = await wire.get("/metrics")
    assert b"bytereel_views_waiting 2.0" in metrics
    assert b"bytereel_views_lost_total 0.0" in metrics
    assert "2 views are lost: the server stops" in caplog.text


def test_views_are_refused_once_others_wait_long() -> None:
    now = 0.0
    tally = Tally(VIEWS, lambda: now)
    assert tally.add(list_rows([(1, "started")], DAY))
    tally.take()
    tally.note_failure("the disk is full")
    now = PATIENCE_SECONDS
    assert tally.add(list_rows([(1, "started")], DAY))
    now += 1
    assert not tally.add(list_rows([(1, "started")], DAY))
    assert tally.waiting == 2
    tally.settle()
    assert tally.add(list_rows([(1, "started")], DAY))


def test_flood_of_videos_is_refused() -> None:
    tally = Tally(VIEWS)
    for first in range(1, ROWS_MAX, VIEWS_MAX):
        some = range(first, first + VIEWS_MAX)
        assert tally.add(list_rows([(video, "started") for video in some], DAY))
    assert not tally.add(list_rows([(1, "started"), (ROWS_MAX + 1, "started")], DAY))
    assert tally.add(list_rows([(1, "started")], DAY))
    batch = tally.take()
    assert batch is not None
    assert len(batch.counts) == ROWS_MAX
    assert batch.counts[1, DAY] == [2, 0, 0, 0]
    assert tally.take() is batch


async def test_senders_long_gone_are_forgotten(url: str) -> None:
    run(
        url,
        "INSERT INTO view_senders VALUES"
        " (gen_random_uuid(), 9, now() - interval '29 days'),"
        " (gen_random_uuid(), 9, now() - interval '27 days')",
    )
    tally = Tally(VIEWS)
    tally.add(list_rows([(1, "started")], DAY))
    async with opened(url) as database:
        assert await save(database, tally)
    senders = run(url, "SELECT batch FROM view_senders ORDER BY batch")
    assert senders == [(1,), (9,)]
