"""Odd values in a table of other people: each row is served, and harms no other."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager, closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2
import pytest

from server.admin.listing import SORTS
from server.app import build_app
from server.edge.warm import list_clips
from server.library.upkeep.doctor import diagnose
from server.library.upkeep.stats import read_stats, render_stats
from server.library.upkeep.verify import verify
from server.serving.listen import answering, bind
from server.video.pacing import Pacer
from tests.conftest import execute
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.wire import Head

pytestmark = pytest.mark.long

DATA = b"0123456789" * 10_000
TOKEN = "a-token-of-tests-only"
NOW = "now"  # of Last-Modified: what Date says
LEAP_DAY = "Thu, 29 Feb 2024 12:00:00 GMT"

TABLE = """
CREATE SCHEMA bytereel;
CREATE TABLE files (
    key bigint PRIMARY KEY, title text, type text, body bytea, came {kind},
    seconds double precision, digest bytea);
ALTER TABLE files ALTER body SET STORAGE EXTERNAL;
CREATE VIEW bytereel.videos AS
SELECT key AS id, title AS filename, type AS mime_type, body AS video_data,
       came AS created_at, seconds AS duration_seconds, digest AS sha256,
       octet_length(body) AS file_size_bytes
  FROM files;
"""


class Row(NamedTuple):
    """A row of theirs, and the Last-Modified that its video has."""

    came: str | None = "2024-02-29 12:00"
    dated: str = LEAP_DAY
    title: str | None = "a.mp4"
    type: str | None = "video/mp4"
    seconds: float | None = 5
    body: bytes | None = DATA
    digest: bytes | None = None


# What a name may hold that is not for a header, a page or a terminal.
CONTROLS = "a\r\nSet-Cookie: b=c\x01\x1b[2J\u2028\u202e\\ud800<b>.mp4"

ROWS = {
    1: Row(),
    2: Row("infinity", ""),
    3: Row("-infinity", ""),
    4: Row("275760-09-13", NOW),
    5: Row(None, "", title=None),
    6: Row("0044-03-15 BC", ""),
    7: Row("0001-01-01", "Mon, 01 Jan 0001 00:00:00 GMT"),
    8: Row("9999-12-31", NOW),
    9: Row("4713-01-01 BC", ""),
    10: Row("1969-12-31", "Wed, 31 Dec 1969 00:00:00 GMT"),
    11: Row(title="", type=None),
    12: Row(title="ä" * 100_000, type="x" * 100_000),
    13: Row(title=CONTROLS, type="video/mp4\r\nX-Odd: 1"),
    14: Row(type="видео/mp4"),
    15: Row(seconds=float("nan")),
    16: Row(seconds=-5),
    17: Row(seconds=1e300),
    18: Row(seconds=float("inf")),
    19: Row(seconds=None, digest=b"abc"),
    20: Row(body=b""),
    21: Row(seconds=99_999),
}
NOT_ASKED_FOR = {-1: Row(), 0: Row(), 2**31: Row(), 2**63 - 1: Row()}
WITHOUT_BYTES = {22: Row(body=None)}

PAST = {3, 5, 6, 7, 9}  # or without a date

# What the doctor finds, and in which rows.
ODD = {
    "odd-id": [-1, 0, 2**31, 2**63 - 1],
    "no-bytes": [20, 22],
    "odd-date": [2, 3, 4, 6, 8, 9],
    "no-date": [5],
    "odd-length": [15, 16, 17, 18],
    "odd-digest": [19],
    "no-name": [5, 11],
    "long-name": [12],
    "odd-name": [13],
    "wrong-type": [11, 13, 12, 14],
}


@pytest.fixture(params=["timestamptz", "timestamp", "date"])
def odd_url(database_url: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of a migrated database whose videos are a view of odd rows."""
    execute(database_url, TABLE.format(kind=request.param))
    insert = "INSERT INTO files VALUES (%s, %s, %s, %s, %s, %s, %s)"
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for key, row in (ROWS | NOT_ASKED_FOR | WITHOUT_BYTES).items():
            cursor.execute(
                insert,
                (key, row.title, row.type, row.body, row.came, row.seconds, row.digest),
            )
    return database_url + "&options=-csearch_path%3Dbytereel,public"


@pytest.fixture
def midnight(request: pytest.FixtureRequest) -> bool:
    """Report whether dates come without a time of day."""
    return "date" in request.node.callspec.id.split("-")


def list_backends(url: str) -> set[int]:
    """Return the processes of sessions of ours, but for the one that is asked."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in cursor.fetchall()}


@asynccontextmanager
async def serving(url: str, cache_bytes: int = 16_000_000) -> AsyncIterator[int]:
    """Yield the port of a server that paces players and lets the admin in."""
    app = build_app(url, cache_bytes=cache_bytes, pacer=Pacer(2), admin_token=TOKEN)
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            yield int(listening.getsockname()[1])


def check_date(head: Head, dated: str, midnight: bool) -> None:
    date = head.headers["date"]
    told = head.headers.get("last-modified", "")
    if dated == NOW:
        gap = parsedate_to_datetime(date) - parsedate_to_datetime(told)
        assert 0 <= gap.total_seconds() <= 5
    else:
        assert told == (dated.replace("12:00:00", "00:00:00") if midnight else dated)


async def ask_all(port: int, key: int, row: Row, midnight: bool) -> None:
    """Ask for one video in each way; the second time the connection answers itself."""
    assert row.body is not None
    async with connect(port) as wire:
        path = f"/v3/videos/{key}"
        for _ in range(2):
            head, body = await wire.get(path)
            assert (head.status, body) == (200, row.body)
            check_date(head, row.dated, midnight)
            assert (
                sum(len(f"{name}: {value}") for name, value in head.headers.items())
                < 4000
            )
            head, body = await wire.get(path, {"Range": "bytes=70000-70009"})
            assert (head.status, body) == (
                (206, row.body[70_000:70_010]) if row.body else (200, b"")
            )
            check_date(head, row.dated, midnight)
        player = {"X-Playback-Session-Id": f"player-{key}"}
        head, body = await wire.get(path, player)
        assert (head.status, body) == (200, row.body)
        head = await wire.ask("HEAD", path)
        assert head.length == len(row.body)
        check_date(head, row.dated, midnight)
        head, _ = await wire.get(path, {"If-None-Match": head.headers["etag"]})
        assert head.status == 304
        check_date(head, row.dated, midnight)


@pytest.mark.parametrize("cache_bytes", [16_000_000, 0])
async def test_every_row_is_served_and_costs_no_session(
    odd_url: str, cache_bytes: int, midnight: bool
) -> None:
    async with serving(odd_url, cache_bytes) as port:
        await asyncio.gather(
            *(ask_all(port, key, row, midnight) for key, row in ROWS.items())
        )
        before = list_backends(odd_url)
        for _ in range(3):
            await asyncio.gather(
                *(ask_all(port, key, row, midnight) for key, row in ROWS.items())
            )
        assert list_backends(odd_url) >= before  # a busy pool may have opened more
        async with connect(port) as wire:
            for key in WITHOUT_BYTES | NOT_ASKED_FOR:
                head, _ = await wire.get(f"/v3/videos/{key}")
                assert head.status == 404


async def test_first_page_lists_what_can_be_asked_for(odd_url: str) -> None:
    async with serving(odd_url) as port, connect(port) as wire:
        head, body = await wire.get("/")
        page = body.decode()
        assert head.status == 200
        listed = re.findall(r'data-id="(.*?)" data-size="(.*?)"', page)
        sizes = {key: len(row.body or b"") for key, row in ROWS.items()}
        assert listed == [(f"{key}", f"{sizes[key]}") for key in sorted(sizes)[::-1]]
        lengths = re.findall(r'class="length">(.*?)</span>', page)[::-1]
        known = [key for key, row in ROWS.items() if row.seconds in {5, 99_999}]
        assert [key for key, shown in enumerate(lengths, 1) if shown] == known
        assert "\x1b" in page  # it is text, and the browser takes it as that
        assert len(page) < 50_000
        for path in ("/readyz", "/healthz", "/metrics"):
            head, _ = await wire.get(path)
            assert head.status == 200


async def test_type_that_is_not_read_is_told(odd_url: str) -> None:
    execute(odd_url, "ALTER VIEW videos RENAME TO theirs")
    execute(
        odd_url,
        "CREATE VIEW bytereel.videos AS SELECT id::text, filename, mime_type,"
        " video_data, created_at FROM bytereel.theirs",
    )
    async with serving(odd_url) as port, connect(port) as wire:
        head, body = await wire.get("/readyz")
        assert (head.status, b"bytereel doctor" in body) == (503, True)
    [found] = [each for each in diagnose(odd_url) if each.severity == "fault"]
    assert "operator does not exist: text = bigint" in found.sentence
    assert "cast the column" in found.remedy


async def test_admin_lists_every_row(odd_url: str) -> None:
    rows = ROWS | WITHOUT_BYTES | NOT_ASKED_FOR
    access = {"Authorization": f"Bearer {TOKEN}"}
    async with serving(odd_url) as port, connect(port) as wire:

        async def ask(path: str) -> Any:
            head, body = await wire.get(f"/v3/admin/{path}", access)
            assert head.status == 200, body
            return json.loads(body)

        for sort in SORTS:
            page = await ask(f"videos?sort={sort}")
            assert {video["id"] for video in page["videos"]} == set(rows)
        for video in page["videos"]:
            row = rows[video["id"]]
            assert video["bytes"] == len(row.body or b"")
            known = row.seconds in {5, 99_999}
            assert video["duration_seconds"] == (row.seconds if known else None)
            assert (video["created_at"] is None) == (
                not row.dated or row.came == "275760-09-13"
            )
        overview = await ask("overview")
        total = sum(len(row.body or b"") for row in rows.values())
        assert (overview["videos"], overview["bytes"]) == (len(rows), total)
        assert (await ask("history"))["days"][-1]["video_bytes"] == sum(
            len(row.body or b"")
            for row in rows.values()
            if row.dated != NOW and row.came != "infinity"  # these are still to come
        )
        for key in ROWS:
            details = await ask(f"videos/{key}")
            assert bytes.fromhex(details["sha256"] or "") == (ROWS[key].digest or b"")


def test_commands_survive_every_row(odd_url: str) -> None:
    rows = ROWS | WITHOUT_BYTES | NOT_ASKED_FOR
    stats = read_stats(odd_url)
    assert stats.skipped == {}
    videos = stats.parts["videos"][0]
    assert videos["clips"] == len(rows)
    assert videos["bytes"] == sum(len(row.body or b"") for row in rows.values())
    sane = [row.seconds for row in rows.values() if row.seconds in {5, 99_999}]
    assert videos["seconds"] == sum(filter(None, sane))
    assert stats.parts["duplicates"] == []
    json.dumps(stats.as_json(), default=str, allow_nan=False)
    assert render_stats(stats)
    states = {row.video_id: row.status for row in verify(odd_url)}
    assert states == dict.fromkeys(rows, "unknown")
    for days in (None, 36_500.0):
        warmed = {clip.video_id for clip in list_clips(odd_url, days, None)}
        assert warmed == (set(ROWS) if days is None else set(ROWS) - PAST)


def test_doctor_names_what_is_odd_in_each_row(odd_url: str) -> None:
    found = [each for each in diagnose(odd_url) if each.code in ODD]
    texts = {
        code: [each.sentence for each in found if each.code == code] for code in ODD
    }
    for code, keys in ODD.items():
        assert len(texts[code]) == len(keys), texts[code]
        for text, key in zip(texts[code], keys, strict=True):
            assert re.search(rf"video {key} |\({key} …\)|\({key}, .*…\)", text)
    assert "is dated infinity, which" in texts["odd-date"][0]
    assert "is NaN seconds long" in texts["odd-length"][0]
    assert "a digest of 3 B, so" in texts["odd-digest"][0]
    assert "a name of 100,000 characters, “äää" in texts["long-name"][0]
    assert (
        r"“a\r\nSet-Cookie: b=c\x01\x1b[2J\u2028\u202e\ud800<b>" in texts["odd-name"][0]
    )
    assert all(text.isprintable() for each in texts.values() for text in each)


def test_doctor_tells_of_a_hundred_rows_at_most(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data, created_at)"
        " SELECT n, 'a', 'infinity' FROM generate_series(1, 1234) AS n",
    )
    found = [each for each in diagnose(database_url) if each.code == "odd-date"]
    assert len(found) == 101
    assert found[-1].sentence == "1,134 more are like the 100 before"
