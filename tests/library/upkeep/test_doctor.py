from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
from psycopg2.extensions import make_dsn

from server.cli import main
from server.errors import Fault
from server.library.upkeep.doctor import diagnose, name_is_odd, render_findings
from server.library.upkeep.stats import read_stats
from server.library.upkeep.verify import verify
from server.library.words.link import link
from server.library.words.target import LinkTarget
from server.postgres import migrations
from tests.breakable import Postgres
from tests.conftest import execute, insert_video, open_folder
from tests.library.upkeep.test_stats import VIEW

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

# The tests' server has them off on purpose.
RISKS = {"fsync", "full_page_writes"}


def list_found(url: str) -> list[tuple[str, str, str]]:
    """Return severity, code and all of its sentence, but for the risks above."""
    return [
        (found.severity, found.code, f"{found.sentence}: {found.remedy}")
        for found in diagnose(url)
        if not any(f" {risk} = off" in found.sentence for risk in RISKS)
    ]


def test_library_is_well(database_url: str) -> None:
    insert_video(database_url, "a_‌b漂亮 (1).mp4", b"a")
    assert list_found(database_url) == []
    assert render_findings([]) == ["Nothing is wrong."]


def test_video_that_no_backup_takes_is_named(database_url: str) -> None:
    execute(
        database_url,
        "ALTER TABLE videos ALTER video_data SET STORAGE EXTENDED;"  # it packs well
        "INSERT INTO videos (filename, video_data)"
        " VALUES ('big.mp4', convert_to(repeat('x', 536000001), 'UTF8'))",
    )
    sentences = {code: text for _, code, text in list_found(database_url)}
    assert "video 1 big.mp4 has" in sentences["too-large-to-back-up"]


@pytest.mark.parametrize(
    ("change", "finding", "words"),
    [
        (
            "ALTER TABLE definitions DROP CONSTRAINT definitions_video_id_fkey;"
            "INSERT INTO definitions (word, definition_text, learning_language,"
            " native_language, video_id) VALUES ('a', 'a', 'en', 'de', 77);",
            "fault dangling-link",
            "1 link to video 77, which is gone: bytereel unlink 77",
        ),
        (
            "ALTER TABLE question_videos DROP CONSTRAINT question_videos_video_id_fkey",
            "warning no-foreign-key",
            "ALTER TABLE question_videos ADD FOREIGN KEY (video_id)",
        ),
        (
            "ALTER TABLE videos ALTER video_data SET STORAGE MAIN",
            "fault storage",
            "as MAIN",
        ),
        (
            "ALTER TABLE videos ALTER video_data SET STORAGE EXTENDED;"
            "INSERT INTO videos (filename, video_data)"
            " VALUES ('z.mp4', decode(repeat('00', 50000), 'hex'));"
            "ALTER TABLE videos ALTER video_data SET STORAGE EXTERNAL",
            "fault compressed",
            "1 video in compressed form (2 …)",
        ),
        (
            "DROP TRIGGER videos_refuse_change ON videos",
            "fault missing-trigger",
            "lacks the trigger videos_refuse_change",
        ),
        (
            "ALTER TABLE videos DISABLE TRIGGER videos_touch",
            "fault disabled-trigger",
            "ALTER TABLE videos ENABLE TRIGGER videos_touch",
        ),
        (
            "ALTER TABLE videos DROP CONSTRAINT videos_file_size_bytes_check;"
            "UPDATE videos SET file_size_bytes = 7",
            "fault wrong-size",
            "video 1 a.mp4 is noted as 7 bytes and has 3",
        ),
        (
            "ALTER TABLE videos DROP CONSTRAINT videos_mime_type_check;"
            "UPDATE videos SET mime_type = E'text/html\\n'",
            "fault wrong-type",
            "1 video of the type “text/html\\n”",
        ),
        (
            "DROP INDEX idx_questions_video",
            "warning missing-index",
            "CREATE INDEX CONCURRENTLY ON test_questions (video_id)",
        ),
        (
            "INSERT INTO verifications VALUES (1, now(), E'it\\n is bad')",
            "fault damaged",
            "video 1 a.mp4 was damaged when it was verified (it\\n is bad)",
        ),
        (
            "UPDATE videos SET filename = E'a\\u202Eb.mp4'",
            "warning odd-name",
            "video 1 has signs in its name that do not show, “a\\u202eb.mp4”: "
            "bytereel rename 1 NAME",
        ),
        (
            "DELETE FROM bytereel_migrations WHERE name LIKE '0006%'",
            "fault pending-migration",
            "0006_create_verifications is not applied: bytereel migrate",
        ),
        (
            "INSERT INTO bytereel_migrations VALUES ('9999_newer')",
            "fault unknown-migration",
            "9999_newer",
        ),
        (
            "DROP TABLE bytereel_migrations",
            "warning not-migrated",
            "bytereel migrate",
        ),
        (
            "ALTER TABLE definitions SET (autovacuum_enabled = off);"
            "INSERT INTO definitions (word, definition_text, learning_language,"
            " native_language) SELECT repeat('a', 500), n, 'en', 'de'"
            " FROM generate_series(1, 3000) AS n",
            "warning no-statistics",
            "ANALYZE definitions",
        ),
        (
            "ALTER TABLE videos RENAME video_data TO body",
            "fault no-videos",
            'column "video_data" does not exist',
        ),
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET zero_damaged_pages"
            " = on', current_database()); END $$",
            "warning setting",
            "zero_damaged_pages = on",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    database_url: str, change: str, finding: str, words: str
) -> None:
    insert_video(database_url, "a.mp4", b"abc")
    execute(database_url, change)
    found = {
        f"{severity} {code}": text for severity, code, text in list_found(database_url)
    }
    assert words in found.pop(finding)
    assert set(found) <= {"warning no-foreign-key"}


def test_space_of_deleted_videos_is_found(database_url: str) -> None:
    execute(
        database_url,
        "ALTER TABLE videos SET (autovacuum_enabled = off);"
        "INSERT INTO videos (filename, video_data)"
        " SELECT 'a.mp4', decode(repeat('00', 66000000), 'hex');"
        "DELETE FROM videos",
    )
    [(severity, code, text)] = list_found(database_url)
    assert (severity, code) == ("warning", "bloat")
    assert "videos of 0 B take 68" in text


@pytest.mark.parametrize(
    ("filename", "odd"),
    [
        ("run_person.mp4", False),
        ("می\u200cخواهم.mp4", False),
        ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}1.mp4", False),
        ("a\u202eb.mp4", True),
        ("a\u00a0b.mp4", True),
        (" a.mp4", True),
        ("_-_", True),
        ("", True),
    ],
)
def test_name_is_odd(filename: str, odd: bool) -> None:
    assert name_is_odd(filename) is odd


def test_view_of_others_is_asked_for_what_it_has(empty_url: str) -> None:
    execute(empty_url, VIEW)
    assert [code for _, code, _ in list_found(empty_url)] == [
        "not-migrated",
        "odd-id",
    ]


def test_check_without_the_right_is_told(database_url: str) -> None:
    execute(
        database_url,
        "DO $$ BEGIN CREATE ROLE looker LOGIN; EXCEPTION WHEN duplicate_object"
        " THEN NULL; END $$; GRANT SELECT ON videos, bytereel_migrations TO looker",
    )
    url = make_dsn(database_url, user="looker")
    found = list_found(url)
    assert {(severity, code) for severity, code, _ in found} == {("warning", "unknown")}
    denied = "permission denied for table definitions"
    assert any(denied in text for *_, text in found)
    assert read_stats(url).skipped["links"] == denied
    insert_video(database_url, "a", b"a")
    with pytest.raises(Fault, match=denied):
        link(url, "1", LinkTarget(definition=1))


def test_command_fails_only_for_faults(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--database-url", database_url]
    assert main(["doctor", *where]) == 0
    assert "warning setting: the server has fsync = off" in capsys.readouterr().out
    execute(database_url, "DROP TRIGGER videos_touch ON videos")
    assert main(["doctor", "--json", *where]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["code"] == "missing-trigger"


@pytest.fixture(scope="module")
def standby() -> Iterator[Postgres]:
    """Yield a standby without a primary, a video of which was damaged before."""
    with open_folder() as folder:
        folder.chmod(0o777)  # root's server is nobody
        server = Postgres(folder, "data")
        server.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        try:
            migrations.apply(server.url)
            insert_video(server.url, "a.mp4", b"abc")
            insert_video(server.url, "b.mp4", b"abc")
            execute(
                server.url,
                "ALTER TABLE videos DISABLE TRIGGER USER;"
                "UPDATE videos SET video_data = 'abd' WHERE id = 2;"
                "ALTER TABLE videos ENABLE TRIGGER USER",
            )
            server.stop()
            (server.data / "standby.signal").touch()
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def test_missing_checksums_are_a_note_that_says_how(tmp_path: Path) -> None:
    with open_folder() as folder:
        folder.chmod(0o777)
        server = Postgres(folder, "data")
        options = ["-U", "postgres", "-A", "trust", "--no-sync", "--no-data-checksums"]
        server.run("initdb", *options)
        server.start()
        try:
            migrations.apply(server.url)
            [found] = [each for each in diagnose(server.url) if "checks" in each.code]
            assert found.severity == "note"
            server.stop()
            assert "stop the server, run pg_checksums --enable -D" in found.remedy
            server.run("pg_checksums", "--enable")
            server.start()
            assert not [each for each in diagnose(server.url) if "checks" in each.code]
        finally:
            server.stop(signal.SIGQUIT)


@pytest.mark.parametrize("before", ["words", "My words"])
def test_quoted_names_are_no_findings(database_url: str, before: str) -> None:
    execute(
        database_url,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers"
        " = on', current_database()); END $$;"
        f"""CREATE SCHEMA "{before}"; ALTER TABLE definitions SET SCHEMA "{before}";"""
        f"""SET search_path = "{before}", public;"""
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language) SELECT repeat('a', 500), n, 'en', 'de'"
        " FROM generate_series(1, 3000) AS n; ANALYZE definitions;",
    )
    path = f'"{before}",public'.replace(" ", "\\ ")
    assert list_found(make_dsn(database_url, options=f"-c search_path={path}")) == []


def test_standby_is_examined_counted_and_verified(standby: Postgres) -> None:
    assert standby.ask("SELECT pg_is_in_recovery()")
    assert {found.code for found in diagnose(standby.url)} <= {"setting"}
    assert read_stats(standby.url).parts["videos"][0]["clips"] == 2
    assert [row.status for row in verify(standby.url)] == ["intact", "damaged"]
    with pytest.raises(Fault, match="cannot resume"):
        list(verify(standby.url, resume=True))
    with pytest.raises(Fault, match="use the URL of the primary"):
        link(standby.url, "1", LinkTarget(definition=1))


@pytest.fixture
def pooler(standby: Postgres) -> Iterator[str]:
    program = which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer isn't installed")
    port = standby.port + 1
    configuration = standby.folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\npostgres = host={standby.folder} port={standby.port}"
        f" user=postgres\n[pgbouncer]\nlisten_port = {port}\nauth_type = any\n"
        f"unix_socket_dir = {standby.folder}\npool_mode = transaction\n"
    )
    process = subprocess.Popen(
        [program, configuration],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **standby.account,
    )
    try:
        while not (standby.folder / f".s.PGSQL.{port}").exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield make_dsn(standby.url, port=port)
    finally:
        process.terminate()
        process.wait()


def test_pooler_is_noticed_and_does_no_harm(pooler: str) -> None:
    assert "pooler" in {found.code for found in diagnose(pooler)}
    assert [row.status for row in verify(pooler)] == ["intact", "damaged"]
