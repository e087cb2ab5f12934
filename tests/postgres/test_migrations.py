from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.errors import Fault
from server.postgres import migrations
from server.postgres.queries import sql_directory
from tests.postgres.test_schema import dump_schema, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = [
    "0001_create_words",
    "0002_create_videos",
    "0003_correct_videos",
    "0004_create_reviews",
    "0005_add_further_videos",
    "0006_create_verifications",
    "0007_add_source_digest",
    "0008_create_thumbnails",
    "0009_create_views",
    "0010_create_import_results",
    "0011_create_checks",
    "0012_create_levels",
    "0013_create_captions",
    "0014_create_previews",
    "0015_create_playback",
]

# Words as they may be before us: other types, another column, an index of our name.
WORDS = """
CREATE TABLE definitions (
    id BIGSERIAL PRIMARY KEY, word VARCHAR(100) NOT NULL, definition_text TEXT,
    learning_language VARCHAR(5), native_language VARCHAR(5), source TEXT);
CREATE TABLE test_questions (
    id BIGSERIAL PRIMARY KEY, definition_id BIGINT REFERENCES definitions (id),
    question_text TEXT, choices JSONB, correct_answer CHAR(1));
CREATE TABLE saved_words (
    id BIGSERIAL PRIMARY KEY, user_id UUID, word VARCHAR(100),
    learning_language VARCHAR(5), native_language VARCHAR(5),
    next_review_date TIMESTAMP);
CREATE INDEX idx_saved_words_due ON saved_words (next_review_date);
COMMENT ON TABLE definitions IS 'theirs';
INSERT INTO definitions
    VALUES (5000000000, 'run', 'rennen', 'en', 'de', 'a book'),
           (2, 'run', NULL, 'en', 'de', NULL);
INSERT INTO test_questions VALUES (7, 5000000000, 'What?', '[{"id": "A"}]', 'A');
INSERT INTO saved_words
    VALUES (9, gen_random_uuid(), 'run', 'en', 'de', '2025-12-09 12:00');
"""

# What the plan's own script leaves behind, in use; the first video is compressed.
VIDEOS = """
CREATE TABLE videos (
    id SERIAL PRIMARY KEY, filename VARCHAR(255) NOT NULL UNIQUE,
    video_data BYTEA NOT NULL, mime_type VARCHAR(50) DEFAULT 'video/mp4',
    file_size_bytes INTEGER, duration_seconds INTEGER,
    created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW(), notes TEXT);
CREATE INDEX idx_videos_filename ON videos (filename);
ALTER TABLE definitions
    ADD COLUMN video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;
CREATE INDEX idx_definitions_video ON definitions (video_id);
ALTER TABLE test_questions
    ADD COLUMN video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;
CREATE INDEX idx_questions_video ON test_questions (video_id);
COMMENT ON COLUMN videos.filename IS 'theirs';
INSERT INTO videos VALUES
    (3, 'a.mp4', decode(repeat('00', 50000), 'hex'), NULL, NULL, 5,
     '2025-12-09 12:00', NULL, 'dear'),
    (8, 'b.mp4', '\\x0102', 'video/webm', 77, NULL, NULL, NULL, NULL);
UPDATE definitions SET video_id = 3;
UPDATE test_questions SET video_id = 8;
"""

A = {"0001_a.sql": "CREATE TABLE a ()"}

STARTS = pytest.mark.parametrize(
    "before", ["", WORDS, WORDS + VIDEOS], ids=["empty", "words", "plan"]
)


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, statements in files.items():
        (folder / name).write_text(statements)
    return folder


def start_apply(url: str, folder: Path) -> subprocess.Popen[str]:
    code = (
        "import sys, pathlib; from server.postgres import migrations as m; "
        "print(*m.apply(sys.argv[1], directory=pathlib.Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_apply_runs_every_file_once(empty_url: str) -> None:
    assert migrations.list_status(empty_url) == [(name, False) for name in NAMES]
    assert migrations.apply(empty_url) == NAMES
    applied = dump_schema(empty_url)
    assert migrations.apply(empty_url) == []
    assert dump_schema(empty_url) == applied
    assert migrations.list_status(empty_url) == [(name, True) for name in NAMES]


def test_apply_by_four_processes_at_once_runs_once(empty_url: str) -> None:
    [(name,)] = run(empty_url, "SELECT current_database()")
    level = "default_transaction_isolation = 'repeatable read'"
    run(empty_url, f"ALTER DATABASE {name} SET {level}")
    folder = sql_directory() / "migrations"
    processes = [start_apply(empty_url, folder) for _ in range(4)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(" ".join(outputs).split()) == NAMES


def test_apply_goes_on_after_kill_in_a_file(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        A | {"0002_b.sql": "CREATE TABLE b (); SELECT pg_advisory_xact_lock(1)"},
    )
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with closing(psycopg2.connect(empty_url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        process = start_apply(empty_url, folder)
        while not run(empty_url, waiting):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert migrations.apply(empty_url, directory=folder) == ["0002_b"]


def test_failing_file_changes_nothing(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path, A | {"0002_b.sql": "CREATE TABLE b (); SELECT 1 / 0"}
    )
    with pytest.raises(Fault, match=r"^0002_b.sql failed and .*: division by zero$"):
        migrations.apply(empty_url, directory=folder)
    left = dump_schema(empty_url)
    assert "public.a " in left
    assert "public.b " not in left
    status = migrations.list_status(empty_url, directory=folder)
    assert status == [("0001_a", True), ("0002_b", False)]


def test_lost_connection_is_a_fault(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path, {"0001_a.sql": "SELECT pg_terminate_backend(pg_backend_pid())"}
    )
    with pytest.raises(Fault, match=r"^0001_a.sql failed and .* connection"):
        migrations.apply(empty_url, directory=folder)


def test_failing_record_is_a_fault(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path, {"0001_a.sql": "CREATE TABLE bytereel_migrations (applied_at DATE)"}
    )
    with pytest.raises(Fault, match=r"stopped the migration \(invalid input"):
        migrations.apply(empty_url, directory=folder)


def test_file_waits_two_seconds_for_a_table(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        {"0001_a.sql": "CREATE TABLE a AS SELECT current_setting('lock_timeout')"},
    )
    migrations.apply(empty_url, directory=folder)
    assert run(empty_url, "TABLE a") == [("2s",)]


@pytest.mark.long
@STARTS
def test_rollback_restores_every_step(
    empty_url: str, tmp_path: Path, before: str
) -> None:
    run(empty_url, before or "SELECT")
    content = "SELECT id, filename, md5(video_data), notes FROM videos"
    rows = run(empty_url, content) if before.endswith(VIDEOS) else []
    schemas = [dump_schema(empty_url)]
    for name in NAMES:
        for path in (sql_directory() / "migrations").glob(f"{name}.*"):
            shutil.copy(path, tmp_path)
        assert migrations.apply(empty_url, directory=tmp_path) == [name]
        schemas.append(dump_schema(empty_url))
    for name, before_it, after_it in zip(
        NAMES[::-1], schemas[-2::-1], schemas[:0:-1], strict=True
    ):
        assert migrations.rollback(empty_url, 1) == [name]
        assert dump_schema(empty_url) == before_it
        assert migrations.apply(empty_url, directory=tmp_path) == [name]
        assert dump_schema(empty_url) == after_it
        assert migrations.rollback(empty_url, 1) == [name]
        for path in tmp_path.glob(f"{name}.*"):
            path.unlink()
    assert migrations.apply(empty_url) == NAMES
    assert dump_schema(empty_url) == schemas[-1]
    assert migrations.rollback(empty_url, len(NAMES)) == NAMES[::-1]
    assert dump_schema(empty_url) == schemas[0]
    assert rows == (run(empty_url, content) if before.endswith(VIDEOS) else [])


@STARTS
def test_apply_keeps_rows_of_words(empty_url: str, before: str) -> None:
    run(empty_url, before or "SELECT")
    tables = ["definitions", "test_questions", "saved_words"] if before else []
    kept = {table: run(empty_url, f"TABLE {table}") for table in tables}
    migrations.apply(empty_url)
    for table, rows in kept.items():
        now = run(empty_url, f"TABLE {table}")
        assert [row[: len(rows[0])] for row in now] == rows  # what is new comes last


def test_apply_corrects_videos_of_the_plan(empty_url: str) -> None:
    [(name,)] = run(empty_url, "SELECT current_database()")
    run(empty_url, f"ALTER DATABASE {name} SET timezone = 'Asia/Shanghai'")
    run(empty_url, WORDS + VIDEOS)
    migrations.apply(empty_url)
    zeros, two = (sha256(data).hexdigest() for data in (bytes(50_000), b"\1\2"))
    assert run(
        empty_url,
        "SELECT id, encode(sha256, 'hex'), file_size_bytes, mime_type, notes,"
        " duration_seconds, pg_column_compression(video_data) FROM videos ORDER BY id",
    ) == [
        (3, zeros, 50_000, "video/mp4", "dear", 5, None),
        (8, two, 2, "video/webm", None, None, None),
    ]
    noon = "SELECT created_at = '2025-12-09 04:00Z' AND updated_at = created_at"
    assert run(empty_url, f"{noon} FROM videos WHERE id = 3") == [(True,)]


@pytest.mark.parametrize(
    ("other", "columns"),
    [
        (
            "CREATE TABLE videos (id INT)",
            "created_at timestamp without .*, video_data bytea not null$",
        ),
        (
            WORDS + VIDEOS + "ALTER TABLE videos ALTER created_at TYPE DATE",
            "created_at timestamp without time zone$",
        ),
    ],
)
def test_apply_refuses_another_table_videos(
    empty_url: str, other: str, columns: str
) -> None:
    run(empty_url, other)
    with pytest.raises(Fault, match=f"rename it, or give it exactly .*: {columns}"):
        migrations.apply(empty_url)
    migrations.rollback(empty_url, 1)
    assert run(empty_url, "SELECT to_regclass('videos')") == [("videos",)]


@pytest.fixture
def owner_url(empty_url: str) -> Iterator[str]:
    [(name,)] = run(empty_url, "SELECT current_database()")
    owner = f"{name}_owner"
    run(empty_url, f"CREATE ROLE {owner}; ALTER DATABASE {name} OWNER TO {owner}")
    yield f"{empty_url}&options=-c%20role%3D{owner}"
    run(empty_url, f"REASSIGN OWNED BY {owner} TO CURRENT_USER; DROP ROLE {owner}")


@STARTS
def test_owner_of_database_may_migrate(owner_url: str, before: str) -> None:
    run(owner_url, before or "SELECT")
    assert migrations.apply(owner_url) == NAMES
    assert migrations.rollback(owner_url, len(NAMES)) == NAMES[::-1]


# How a server reads literals and prints names and values; any role may have these.
PRINTING = {
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "xmlbinary": "hex",
}


@contextmanager
def printing_oddly(url: str) -> Iterator[None]:
    [(name,)] = run(url, "SELECT current_database()")
    for setting, value in PRINTING.items():
        run(url, f"ALTER DATABASE {name} SET {setting} = '{value}'")
    yield
    run(url, f"ALTER DATABASE {name} RESET ALL")  # pg_dump would mind some of them


@STARTS
def test_settings_of_the_database_change_no_migration(
    empty_url: str, database_url: str, before: str
) -> None:
    run(empty_url, before or "SELECT")
    schema = dump_schema(empty_url)
    with printing_oddly(empty_url):
        assert migrations.apply(empty_url) == NAMES
    if not before:
        assert dump_schema(empty_url) == dump_schema(database_url)
    with printing_oddly(empty_url):
        migrations.rollback(empty_url, len(NAMES))
    assert dump_schema(empty_url) == schema


def test_columns_noted_in_quotes_are_theirs_too(empty_url: str, tmp_path: Path) -> None:
    run(empty_url, WORDS + VIDEOS)
    schema = dump_schema(empty_url)
    for path in (sql_directory() / "migrations").glob("0001_*"):
        shutil.copy(path, tmp_path)
    migrations.apply(empty_url, directory=tmp_path)
    quote = "SET name = regexp_replace(name, '(.*)[.]', '\"\\1\".')"
    run(empty_url, f"UPDATE bytereel_found {quote}")
    migrations.apply(empty_url)
    migrations.rollback(empty_url, len(NAMES))
    assert dump_schema(empty_url) == schema


@pytest.mark.parametrize("count", [-1, 0, len(NAMES) + 1])
def test_rollback_refuses_impossible_counts(database_url: str, count: int) -> None:
    with pytest.raises(Fault, match=f"roll back {count} of {len(NAMES)} applied"):
        migrations.rollback(database_url, count)


def test_rollback_without_file_undoes_nothing(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        A | {"0002_b.sql": "CREATE TABLE b ()", "0002_b.rollback.sql": "DROP TABLE b"},
    )
    migrations.apply(empty_url, directory=folder)
    with pytest.raises(Fault, match=r"^0001_a.rollback.sql is missing"):
        migrations.rollback(empty_url, 2, directory=folder)
    assert migrations.rollback(empty_url, 1, directory=folder) == ["0002_b"]


@pytest.mark.parametrize("step", ["apply", "list_status", "rollback"])
def test_unknown_migration_is_refused(database_url: str, step: str) -> None:
    run(database_url, "INSERT INTO bytereel_migrations VALUES ('9999_later')")
    count = [1] if step == "rollback" else []
    with pytest.raises(Fault, match="9999_later, which this version of bytereel does"):
        getattr(migrations, step)(database_url, *count)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://u:pa55@localhost:1/clips",
            "database clips on localhost .*efus",
        ),
        ("host=/nowhere password=pa55", "database of the user's name on /nowhere"),
        ("http://u:pa55@localhost/clips", "cannot read the database URL"),
        ("postgresql://u\udcff:pa55@localhost/clips", "cannot read the database URL"),
        ("postgresql://u:pa55/word@localhost/clips", "%2F for /"),
        ("postgresql://u:pa@pa55@localhost/clips", "%40 for @"),
        ("postgresql://u:1/pa55@localhost/clips", "%2F for /"),
    ],
)
def test_connection_fault_names_database_not_password(url: str, message: str) -> None:
    with pytest.raises(Fault, match=message) as caught:
        migrations.apply(url)
    assert "pa55" not in str(caught.value)
