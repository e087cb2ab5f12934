"""A table of other people, served through a view as README shows."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from server.app import build_app
from server.postgres.queries import queries
from server.serving.listen import answering, bind
from tests.conftest import execute
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DATA = Random(8).randbytes(4 << 20)
TOAST_BYTES = 1996  # of a value in one row of its TOAST table


def readme_sql(start: str) -> str:
    """Return the README's block of SQL that begins so."""
    block = next(b for b in re.findall(r"```sql\n(.*?)```", README, re.S) if start in b)
    assert isinstance(block, str)
    return block


@pytest.fixture(params=["integer", "bigint"])
def foreign_url(empty_url: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database whose files were stored compressed, by others."""
    execute(
        empty_url,
        f"CREATE TABLE attachments (attachment_id {request.param} PRIMARY KEY,"
        " title text, body bytea, uploaded_at timestamp DEFAULT '2024-02-29 12:00')",
    )
    insert = "INSERT INTO attachments VALUES (7, 'Bericht Ä.mp4', %s)"
    with (
        closing(psycopg2.connect(empty_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(insert, (DATA,))
    _, view, role = re.split(r"(?=CREATE VIEW|ALTER ROLE)", readme_sql("CREATE VIEW"))
    execute(empty_url, "CREATE SCHEMA bytereel")
    execute(empty_url, view)
    assert "search_path = bytereel, public" in role
    execute(empty_url, readme_sql("SET STORAGE EXTERNAL"))
    return empty_url + "&options=-csearch_path%3Dbytereel,public"


async def test_foreign_table_is_served_through_a_view(foreign_url: str) -> None:
    with bind("127.0.0.1", 0) as listening:
        async with (
            answering(build_app(foreign_url), listening),
            connect(listening.getsockname()[1]) as wire,
        ):
            head, body = await wire.get("/v3/videos/7")
            assert (head.status, body) == (200, DATA)
            assert head.headers["last-modified"] == "Thu, 29 Feb 2024 12:00:00 GMT"
            assert "Bericht%20%C3%84.mp4" in head.headers["content-disposition"]
            head, body = await wire.get("/v3/videos/7.mp4", {"Range": "bytes=-5"})
            assert (head.status, body) == (206, DATA[-5:])
            head, _ = await wire.get("/readyz")
            assert head.status == 200
            head, page = await wire.get("/")
            assert (head.status, "Bericht Ä.mp4" in page.decode()) == (200, True)


def test_slice_through_the_view_reads_its_own_toast_rows(foreign_url: str) -> None:
    def count_buffers(query: str, values: Mapping[str, object]) -> int:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {query}"
        with (
            closing(psycopg2.connect(foreign_url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(explain, values)
            ((plans,),) = cursor.fetchall()
            plan: dict[str, Any] = plans[0]["Plan"]
            return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    def count_blocks(start: int, length: int) -> int:
        values = {"ids": [7], "starts": [start], "lengths": [length]}
        return count_buffers(queries()["read_videos"], values)

    rows = 65_536 / TOAST_BYTES
    assert count_blocks(3_000_000, 65_536) < rows + 20  # an index, rows four to a page
    assert count_blocks(0, len(DATA)) > len(DATA) / 8192
    assert count_blocks(0, 0) < 20
