"""Migrations beside others: who reads, who writes, who migrates too, who serves."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import aiohttp
import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from server.errors import Fault
from server.postgres import migrations
from server.postgres.embedded.supervisor import pick_account
from server.postgres.migration_locks import Held, taking_turn
from server.postgres.queries import sql_directory
from tests.conftest import insert_video, needs, open_folder, serve_database
from tests.postgres.test_migrations import NAMES, start_apply, write_files
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE = "0006"  # then 0007 changes videos, which is served and read
INDEX = {
    "0001_a.sql": "CREATE TABLE a (id INT); INSERT INTO a VALUES (1), (2)",
    "0002_b.sql": (
        "-- Outside of a transaction: the table may be large.\n\n"
        "-- What was left unfinished goes.\n"
        "DROP INDEX CONCURRENTLY IF EXISTS idx_a;\n\n"
        "-- Finds a row.\n"
        "CREATE INDEX CONCURRENTLY idx_a ON a (id);\n"
    ),
    "0003_c.sql": "CREATE TABLE c ()",
}
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_a'::regclass"


@contextmanager
def holding(url: str, statement: str) -> Iterator[int]:
    """Yield the process of a transaction that has run this, and is open meanwhile."""
    name = make_dsn(url, application_name="reader")
    with closing(psycopg2.connect(name)) as reader, reader.cursor() as cursor:
        cursor.execute(statement)
        yield reader.info.backend_pid


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def copy_until(folder: Path, last: str) -> Path:
    for path in (sql_directory() / "migrations").iterdir():
        if path.name < f"{last}~":
            shutil.copy(path, folder)
    return folder


@pytest.mark.long
def test_who_holds_the_lock_is_named(empty_url: str, tmp_path: Path) -> None:
    run(empty_url, "CREATE TABLE b ()")
    files = {"0001_a.sql": "CREATE TABLE a ()", "0002_b.sql": "DROP TABLE b"}
    folder = write_files(tmp_path, files)
    with holding(empty_url, "TABLE b") as pid, pytest.raises(Fault) as caught:
        migrations.apply(empty_url, directory=folder, patience=0)
    assert str(caught.value) == (
        "0002_b.sql is not applied, because it waited too long for "
        f"process {pid} (reader, role postgres): let that transaction end (in SQL: "
        f"SELECT pg_terminate_backend({pid})), then run it again"
    )
    assert migrations.apply(empty_url, directory=folder) == ["0002_b"]


@pytest.mark.long
def test_rollback_names_who_holds_the_lock(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        {"0001_a.sql": "CREATE TABLE a ()", "0001_a.rollback.sql": "DROP TABLE a"},
    )
    migrations.apply(empty_url, directory=folder)
    with (
        holding(empty_url, "TABLE a") as pid,
        pytest.raises(Fault, match=rf"^the rollback is not applied.* process {pid} "),
    ):
        migrations.rollback(empty_url, 1, directory=folder, patience=0)
    assert migrations.rollback(empty_url, 1, directory=folder) == ["0001_a"]


@pytest.mark.long
def test_file_is_tried_until_the_lock_is_free(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"0001_a.sql": "DROP TABLE b"})
    run(empty_url, "CREATE TABLE b ()")
    with holding(empty_url, "TABLE b"):
        process = start_apply(empty_url, folder)
        time.sleep(3)  # longer than a try
        assert process.poll() is None
    output, _ = process.communicate(timeout=60)
    assert output.split() == ["0001_a"]


def test_index_is_built_outside_and_once(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, INDEX)
    assert migrations.apply(empty_url, directory=folder) == [
        name.removesuffix(".sql") for name in INDEX
    ]
    assert run(empty_url, VALID) == [(True,)]
    assert migrations.apply(empty_url, directory=folder) == []


def test_unfinished_index_is_replaced(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, INDEX)
    old = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1"  # its snapshot is
    with (
        holding(empty_url, old) as pid,
        pytest.raises(Fault, match=rf"^0002_b.sql is not applied.* process {pid} "),
    ):
        migrations.apply(empty_url, directory=folder, patience=0.5)
    assert run(empty_url, VALID) == [(False,)]
    status = migrations.list_status(empty_url, directory=folder)
    assert [applied for _, applied in status] == [True, False, False]
    assert migrations.apply(empty_url, directory=folder) == ["0002_b", "0003_c"]
    assert run(empty_url, VALID) == [(True,)]


def test_wrong_file_outside_is_a_fault(empty_url: str, tmp_path: Path) -> None:
    files = {"0001_a.sql": "-- Outside of a transaction: so.\nTABLE b;\n"}
    folder = write_files(tmp_path, files)
    with pytest.raises(Fault, match=r'^0001_a.sql failed \(relation "b" does not'):
        migrations.apply(empty_url, directory=folder)


def test_two_build_an_index_one_after_the_other(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, INDEX)
    processes = [start_apply(empty_url, folder) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(" ".join(outputs).split()) == len(INDEX)
    assert run(empty_url, VALID) == [(True,)]


def test_who_waits_for_a_turn_is_told_who_has_it(
    empty_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_files(tmp_path, INDEX)
    caplog.set_level(logging.WARNING)
    waiting = threading.Thread(
        target=migrations.apply, args=[empty_url], kwargs={"directory": folder}
    )
    named = make_dsn(empty_url, application_name="first")
    with taking_turn(named) as turn:
        waiting.start()
        for _ in range(300):
            if caplog.messages:
                break
            time.sleep(0.1)
        pid = turn.info.backend_pid
        assert run(empty_url, "SELECT to_regclass('a')") == [(None,)]
    waiting.join(60)
    assert caplog.messages[0] == (
        f"process {pid} (first, role postgres) is migrating: waiting until it is done"
    )
    assert run(empty_url, VALID) == [(True,)]


@pytest.mark.long
async def test_old_tables_are_served_while_they_change(
    empty_url: str, tmp_path: Path
) -> None:
    """A server that began before goes on while somebody reads videos for long."""
    migrations.apply(empty_url, directory=copy_until(tmp_path, BEFORE))
    data = sha256(b"1").digest() * 10_000
    video_id = insert_video(empty_url, "a.mp4", data)
    statuses: list[int] = []

    async def ask(client: aiohttp.ClientSession, port: int) -> None:
        url = f"http://127.0.0.1:{port}/v3/videos/{video_id}"
        first = len(statuses) * 997 % (len(data) - 999)
        headers = {"Range": f"bytes={first}-{first + 999}"}
        async with client.get(url, headers=headers) as answer:
            body = await answer.read()
            assert body == data[first : first + 1000]
            statuses.append(answer.status)

    async with (
        serve_database(empty_url, cache_bytes=0) as served,
        aiohttp.ClientSession() as client,
    ):
        with holding(empty_url, "SELECT count(*) FROM videos"):
            migrating = asyncio.create_task(
                asyncio.to_thread(migrations.apply, empty_url)
            )
            until = time.monotonic() + 5
            while time.monotonic() < until:
                await ask(client, served.port)
            assert not migrating.done()
        while not migrating.done():
            await ask(client, served.port)
        assert await migrating == NAMES[6:]
        before = len(statuses)
        for _ in range(20):
            await ask(client, served.port)
    assert before > 20
    assert set(statuses) == {206}


def test_new_migrations_only_add() -> None:
    """So the version before goes on serving; 0003 is the last that did not."""
    for name in NAMES[3:]:
        text = (sql_directory() / "migrations" / f"{name}.sql").read_text()
        code = "\n".join(line.partition("--")[0] for line in text.splitlines())
        for word in ("DROP COLUMN", "DROP TABLE", "RENAME", " TYPE ", "SET NOT NULL"):
            assert word not in code.upper(), (name, word)


@pytest.mark.long
def test_older_version_that_migrates_is_waited_for(
    empty_url: str, tmp_path: Path
) -> None:
    """It knows no turn, only the lock of its transaction."""
    folder = write_files(tmp_path, INDEX)
    with holding(empty_url, "SELECT pg_advisory_xact_lock(7229811746)"):
        process = start_apply(empty_url, folder)
        time.sleep(3)
        assert process.poll() is None
        assert run(empty_url, "SELECT to_regclass('a')") == [(None,)]
    output, _ = process.communicate(timeout=60)
    assert len(output.split()) == len(INDEX)


@needs("pgbouncer")
def test_index_is_built_through_a_pooler(
    empty_url: str, tmp_path: Path, free_port: int
) -> None:
    where = parse_dsn(empty_url)
    with open_folder() as place:
        place.chmod(0o777)  # root's pooler is nobody
        settings = place / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={where['host']} port={where['port']}"
            " user=postgres\n"
            f"[pgbouncer]\nlisten_port = {free_port}\nauth_type = any\n"
            f"unix_socket_dir = {place}\npool_mode = transaction\n"
        )
        pooler = subprocess.Popen(
            ["pgbouncer", "-q", settings], **pick_account(place / "none")
        )
        try:
            while not (place / f".s.PGSQL.{free_port}").exists():
                assert pooler.poll() is None
                time.sleep(0.02)
            url = make_dsn(empty_url, host=str(place), port=free_port)
            folder = write_files(tmp_path, INDEX)
            assert len(migrations.apply(url, directory=folder)) == len(INDEX)
        finally:
            pooler.terminate()
            pooler.wait()
    assert run(empty_url, VALID) == [(True,)]


def test_wait_for_a_turn_has_an_end(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, INDEX)
    with taking_turn(empty_url) as turn:
        said = f"process {turn.info.backend_pid} .* is migrating"
        with pytest.raises(Held, match=said):
            migrations.apply(empty_url, directory=folder, turn_patience=0.3)


def test_wait_for_the_list_has_an_end(empty_url: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path, INDEX)
    migrations.apply(empty_url, directory=folder)
    with closing(psycopg2.connect(empty_url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE bytereel_migrations")
        with pytest.raises(Held, match=f"process {holder.info.backend_pid} "):
            migrations.apply(empty_url, directory=folder, patience=0.3)
