from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.cli import main
from server.errors import Fault
from server.library.upkeep.doctor import diagnose
from server.library.upkeep.stats import read_stats
from server.library.upkeep.verify import SLICE_BYTES, Hasher, verify
from tests.command import ROOT
from tests.conftest import execute, insert_video
from tests.library.upkeep.test_stats import VIEW
from tests.postgres.test_schema import BYTES
from tests.postgres.test_schema import run as ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.upkeep.verify import Verified

MUTE = "ALTER TABLE videos DISABLE TRIGGER videos_refuse_change;"
HEAL = "ALTER TABLE videos ENABLE TRIGGER videos_refuse_change;"
FLIP = (
    f"{MUTE} UPDATE videos SET video_data = set_byte(video_data, 700000,"
    f" 255 - get_byte(video_data, 700000)) WHERE id = {{}}; {HEAL}"
)


def list_found(rows: Iterator[Verified]) -> list[tuple[int | None, str]]:
    return [(row.video_id, row.status) for row in rows]


def drop_chunk(url: str, video: int) -> None:
    """Take a row of TOAST away, which PostgreSQL refuses as long as it knows it is."""
    [(table, chunk)] = ask(
        url,
        "SELECT reltoastrelid::regclass, pg_column_toast_chunk_id(video_data)"
        " FROM pg_class, videos"
        f" WHERE pg_class.oid = 'videos'::regclass AND id = {video}",
    )
    change = "UPDATE pg_class SET relkind = '{}' WHERE oid = '{}'::regclass"
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET allow_system_table_mods = on")
        cursor.execute(change.format("r", table))
        cursor.execute(
            f"DELETE FROM {table} WHERE chunk_id = {chunk} AND chunk_seq = 3"
        )
        assert cursor.rowcount == 1
        cursor.execute(change.format("t", table))


@pytest.mark.parametrize("size", [1, 7, 19, 25, 1000])
def test_hasher_takes_bytes_cut_anywhere(size: int) -> None:
    slices = [b"abc", b"", b"x" * 50]
    rows = b"".join(pack(">hi", 1, len(each)) + each for each in slices)
    data = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0) + rows + pack(">h", -1)
    seen: list[int] = []
    hasher = Hasher(seen.append)
    for start in range(0, len(data), size):
        hasher.write(data[start : start + size])
    assert hasher.sha256.digest() == sha256(b"".join(slices)).digest()
    assert seen == [3, 0, 50]


def test_damaged_videos_are_named_and_stop_nothing(database_url: str) -> None:
    for number in range(1, 6):
        insert_video(database_url, f"{number}.mp4", BYTES + bytes([number]))
    insert_video(database_url, "empty.mp4", b"")
    execute(database_url, FLIP.format(2))
    drop_chunk(database_url, 4)
    rows = list(verify(database_url))
    states = ["intact", "damaged", "intact", "damaged", "intact", "intact"]
    assert [row.status for row in rows] == states
    assert rows[1][1:] == (
        2,
        "2.mp4",
        len(BYTES) + 1,
        "the bytes are not those of the import",
    )
    assert "chunk number 4 (expected 3) for toast value" in str(rows[3].error)
    assert [row.status for row in verify(database_url, ["4.mp4", "3"])] == [
        "intact",
        "damaged",
    ]


@pytest.mark.long
def test_damaged_pages_lose_only_their_own_rows(
    cluster: str, database_url: str
) -> None:
    execute(  # once vacuumed, rows are counted by the index alone
        database_url,
        "ALTER TABLE videos SET (autovacuum_enabled = off);"
        "INSERT INTO videos (filename, video_data)"
        " SELECT repeat('a', 200) || n, repeat('b', n)::bytea"
        " FROM generate_series(1, 100) AS n;"
        f" INSERT INTO videos (filename, video_data)"
        f" SELECT 'large', '\\x{BYTES[:100_000].hex()}'",
    )
    for statement in (  # else who reads a page notes in it who has committed, and
        "CHECKPOINT",  # PostgreSQL writes it over the damage
        "SELECT count(filename) FROM videos",
        "CHECKPOINT",
    ):
        execute(database_url, statement)
    [(folder, table, toast, rows, name)] = ask(
        database_url,
        "SELECT current_setting('data_directory'), pg_relation_filepath('videos'),"
        " pg_relation_filepath((SELECT reltoastrelid FROM pg_class"
        "  WHERE oid = 'videos'::regclass)),"
        " (SELECT count(*) FROM videos WHERE ctid < '(1,0)'), current_database()",
    )
    for path, block in (table, 0), (toast, 5):
        with open(Path(folder, path), "r+b") as file:
            file.seek(block * 8192 + 4000)
            file.write(b"damage")
    # Its copy has the files as they are, and none of their pages in memory.
    admin = cluster.format(database="postgres")
    copy = f"CREATE DATABASE {name}_copy TEMPLATE {name} STRATEGY file_copy"
    execute(admin, copy)
    damaged = cluster.format(database=f"{name}_copy")
    found = list(verify(damaged))
    codes = {each.code for each in diagnose(damaged)}
    with pytest.raises(Fault, match="run bytereel verify"):
        read_stats(damaged)
    execute(admin, f"DROP DATABASE {name}_copy WITH (FORCE)")
    assert {"unreadable", "damaged"} & codes == {"unreadable"}
    assert found[0].video_id is None
    assert "block 0 of the table, with all its rows" in str(found[0].error)
    assert [row.video_id for row in found[1:]] == list(range(rows + 1, 102))
    assert {row.status for row in found[1:-1]} == {"intact"}
    assert found[-1].status == "damaged"
    assert "invalid page in block 5" in str(found[-1].error)


def test_bytes_come_in_slices_whatever_the_size(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(Hasher, "write", lambda _, data: sizes.append(len(data)))
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT 'a', decode(repeat('00', 2000000), 'hex')",
    )
    list(verify(database_url))
    assert 2_000_000 < sum(sizes) < 2_001_000
    assert SLICE_BYTES <= max(sizes) < SLICE_BYTES + 100


def test_compressed_videos_are_read_too(database_url: str) -> None:
    execute(
        database_url,
        "ALTER TABLE videos ALTER video_data SET STORAGE EXTENDED;"
        "INSERT INTO videos (filename, video_data)"
        " SELECT 'a', decode(repeat('00', 2000000), 'hex')",
    )
    assert list_found(verify(database_url)) == [(1, "intact")]


def test_interrupted_run_goes_on_where_it_was(database_url: str) -> None:
    for number in range(1, 6):
        insert_video(database_url, f"{number}.mp4", BYTES + bytes([number]))
    execute(database_url, FLIP.format(1))
    first = verify(database_url)
    assert [next(first).status for _ in range(3)] == ["damaged", "intact", "intact"]
    assert isinstance(first, Generator)
    first.close()
    rest = [(1, "damaged"), (4, "intact"), (5, "intact")]
    assert list_found(verify(database_url, resume=True)) == rest
    assert list_found(verify(database_url, resume=True)) == rest[:1]
    assert ask(database_url, "SELECT count(*), count(damage) FROM verifications") == [
        (5, 1)
    ]
    assert len(list(verify(database_url))) == 5


def test_video_deleted_meanwhile_is_no_damage(database_url: str) -> None:
    for name in "a", "b", "c":
        insert_video(database_url, name, name.encode())
    rows = verify(database_url)
    next(rows)
    execute(database_url, "DELETE FROM videos WHERE filename = 'b'")
    assert list_found(rows) == [(3, "intact")]


def test_database_without_the_table_is_verified(database_url: str) -> None:
    insert_video(database_url, "a", b"a")
    execute(database_url, "DROP TABLE verifications")
    assert list_found(verify(database_url)) == [(1, "intact")]
    with pytest.raises(Fault, match="bytereel migrate"):
        list(verify(database_url, resume=True))


def test_view_of_others_is_read_without_a_verdict(empty_url: str) -> None:
    execute(empty_url, VIEW)
    assert list_found(verify(empty_url)) == [(5_000_000_000, "unknown")]


def test_row_that_is_refused_is_told_and_tried_again(database_url: str) -> None:
    for name in "a", "b":
        insert_video(database_url, name, name.encode())
    execute(
        database_url,
        "CREATE FUNCTION refuse(id integer, data bytea) RETURNS bytea LANGUAGE plpgsql"
        " AS $$ BEGIN IF id = 1 AND current_query() LIKE 'COPY%' THEN"
        " RAISE EXCEPTION 'not now'; END IF; RETURN data; END $$;"
        "ALTER TABLE videos RENAME TO kept; CREATE VIEW videos AS SELECT id, filename,"
        " refuse(id, video_data) AS video_data, sha256 FROM kept",
    )
    assert [(row.status, row.error) for row in verify(database_url)] == [
        ("unread", "not now"),
        ("intact", None),
    ]
    assert ask(database_url, "SELECT video_id FROM verifications") == [(2,)]


def test_lost_connection_tells_how_to_go_on(database_url: str) -> None:
    for name in "a", "b":
        insert_video(database_url, name, name.encode())
    rows = verify(database_url)
    next(rows)
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(Fault, match=r"lost at video 2: go on with .* --resume"):
        next(rows)


def test_command_names_what_is_damaged(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--database-url", database_url]
    assert main(["verify", *where]) == 0
    assert capsys.readouterr().out == "nothing was left to verify\n"
    insert_video(database_url, "a\u202e.mp4", BYTES)
    insert_video(database_url, "b.mp4", BYTES)
    assert main(["verify", *where]) == 0
    assert capsys.readouterr().out == "2 intact\n"
    execute(database_url, FLIP.format(1))
    assert main(["verify", *where]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "damaged  1 a\\u202e.mp4: the bytes are not those of the import",
        "1 intact, 1 damaged",
    ]
    assert main(["verify", "--json", "b.mp4", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "status": "intact",
        "video_id": 2,
        "filename": "b.mp4",
        "bytes": len(BYTES),
        "error": None,
    }
    assert main(["verify", "none.mp4", *where]) == 1
    assert "there is no video none.mp4" in capsys.readouterr().err


def test_interrupt_ends_the_command_with_a_sentence(database_url: str) -> None:
    for name in "a.mp4", "b.mp4":
        insert_video(database_url, name, BYTES)
    execute(
        database_url,
        "CREATE FUNCTION wait(id integer, data bytea) RETURNS bytea LANGUAGE plpgsql"
        " AS $$ BEGIN IF id = 2 AND current_query() LIKE 'COPY%' THEN"
        " PERFORM pg_sleep(0.2); END IF; RETURN data; END $$;"
        "ALTER TABLE videos RENAME TO kept; CREATE VIEW videos AS SELECT id, filename,"
        " wait(id, video_data) AS video_data, sha256 FROM kept",
    )
    command = [sys.executable, "-m", "server", "verify", "--json"]
    process = subprocess.Popen(
        [*command, "--database-url", database_url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["video_id"] == 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", 130)
    assert err == "Stopped; bytereel verify --resume goes on from here.\n"
    execute(database_url, "DROP VIEW videos; ALTER TABLE kept RENAME TO videos")
    assert list_found(verify(database_url, resume=True)) == [(2, "intact")]
