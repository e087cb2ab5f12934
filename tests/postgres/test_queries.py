"""Every statement stands in sql/, has a name and a line of why, and can be prepared."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import pytest

from server.admin.history import Day
from server.admin.listing import (
    LibraryCounts,
    LinkableDefinition,
    PageRow,
    VideoDetails,
)
from server.admin.uploads import Copy
from server.library.captions.rows import ListedCaptions
from server.library.words.showing import Showing
from server.model import Preview, Thumbnail
from server.postgres.queries import queries, sql_directory
from server.practice.batch import DueRow, Learner
from server.practice.reviews import ReviewRow
from server.video.captions import CaptionedVideo, StoredCaptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection

ROWS: dict[str, type[NamedTuple]] = {
    "captions_of": CaptionedVideo,
    "complete_words": LinkableDefinition,
    "count_library": LibraryCounts,
    "describe_captions": ListedCaptions,
    "find_captions": StoredCaptions,
    "find_copies": Copy,
    "find_preview": Preview,
    "find_review": ReviewRow,
    "find_thumbnail": Thumbnail,
    "list_days": Day,
    "list_due": DueRow,
    "list_learners": Learner,
    "list_page": PageRow,
    "list_showing": Showing,
    "read_details": VideoDetails,
}
"""What is built of the rows of each statement, by the places of their columns."""

STATEMENTS = {"COPY", "CREATE", "DEALLOCATE", "DROP", "SET"}
"""What those begin with that cannot be prepared."""

PREPARED = re.compile(r"\A(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


PARAMETER = re.compile(r"%\((\w+)\)s")


def prepare(statement: str) -> str:
    """Return PREPARE with its parameters numbered as PostgreSQL wants them."""
    names = list(dict.fromkeys(PARAMETER.findall(statement)))
    for number, name in enumerate(names, 1):
        statement = statement.replace(f"%({name})s", f"${number}")
    return f"PREPARE checked AS {statement.replace('%%', '%')}"


@pytest.fixture(scope="module")
def connection(cluster: str, template: str) -> Iterator[Connection]:
    url = cluster.format(database=template)
    with closing(psycopg2.connect(url)) as connection:
        yield connection


@pytest.mark.parametrize("name", queries())
def test_query_can_be_prepared(name: str, connection: Connection) -> None:
    if not PREPARED.match(queries()[name]):
        assert queries()[name].split()[0] in STATEMENTS
        return
    with connection.cursor() as cursor:
        cursor.execute(prepare(queries()[name]))
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


@pytest.mark.parametrize("name", ROWS)
def test_row_has_a_field_for_each_column(name: str, connection: Connection) -> None:
    nulls = ", ".join("NULL" for _ in set(PARAMETER.findall(queries()[name])))
    with connection.cursor() as cursor:
        cursor.execute(prepare(queries()[name]))
        cursor.execute(f"EXECUTE checked ({nulls})" if nulls else "EXECUTE checked")
        columns = [column.name for column in cursor.description or ()]
        cursor.execute("DEALLOCATE checked")
    connection.rollback()
    assert columns == list(ROWS[name]._fields)


def test_plan_that_an_empty_library_leaves_is_good_for_a_large_one(
    connection: Connection,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(prepare(queries()["read_videos"]))
        cursor.execute("EXPLAIN EXECUTE checked ('{1,2}', '{0,0}', '{9,9}')")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE checked")
    connection.rollback()
    assert "Index Scan using videos_pkey" in plan
    assert "Seq Scan" not in plan


def test_query_has_a_name_of_its_own_and_a_line_of_why() -> None:
    names = []
    for path in (sql_directory() / "queries").glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^-- name: (\w+)\n(-- .+\n)?", text, re.M)
        assert all(why for _, why in blocks), path
        names += [name for name, _ in blocks]
    assert len(names) == len(set(names)) == len(queries())
