"""A backup brings every byte back, into a server that never saw it."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from server.errors import Fault
from server.library.commands import add_library_commands
from server.library.imports.files import import_paths
from server.library.upkeep import backup
from server.library.upkeep.backup import (
    find_program,
    restore_backup,
    save_backup,
)
from server.library.upkeep.verify import verify
from server.postgres import embedded, migrations
from tests.clips import make
from tests.conftest import execute, insert_video, open_folder, serve_database
from tests.postgres.test_schema import run as ask
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL = "SELECT id, filename, sha256, created_at, video_data FROM videos ORDER BY id"


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def run_command(url: str, *arguments: str) -> int:
    parser = ArgumentParser()
    list(add_library_commands(parser.add_subparsers()))
    options = parser.parse_args(arguments)
    status: int = options.act(url, options)
    return status


@pytest.mark.long
async def test_a_restored_library_is_intact_and_plays(
    database_url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [make(folder / name) for name in ("run_a.mp4", "sit_b.mp4")]
    assert all(row.video_id for row in import_paths(database_url, clips))
    digest = sha256(clips[0].read_bytes()).digest()
    insert_video(database_url, "odd ' name.mp4", bytes(range(256)) * 300)
    execute(database_url, "DELETE FROM videos WHERE filename = 'sit_b.mp4'")
    file = folder / "a b.dump"
    assert run_command(database_url, "backup", f"{file}") == 0
    assert "bytes" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(folder)) == ["a b.dump", "run_a.mp4", "sit_b.mp4"]

    with embedded.running(folder / "data", {"fsync": "off"}) as url:
        migrations.apply(url)  # as every command does
        assert run_command(url, "restore", f"{file}") == 0
        assert ask(url, ALL) == ask(database_url, ALL)
        assert migrations.apply(url) == []
        found = {row.video_id: row.status for row in verify(url)}
        assert found == {1: "intact", 3: "intact"}
        async with (
            serve_database(url, cache_bytes=0) as served,
            connect(served.port) as wire,
        ):
            head, body = await wire.get("/v3/videos/1.mp4")
        assert head.headers["etag"] == '"video-1"'
        assert sha256(body).digest() == digest
        assert insert_video(url, "next.mp4", b"new") == 4  # no id comes twice
        with pytest.raises(Fault, match="the database is not empty"):
            restore_backup(url, file)


def test_nothing_is_left_of_what_failed(database_url: str, folder: Path) -> None:
    kept = folder / "kept.dump"
    kept.write_bytes(b"kept")
    with pytest.raises(Fault, match="already exists"):
        save_backup(database_url, kept)
    assert kept.read_bytes() == b"kept"
    with pytest.raises(Fault, match="cannot be written"):
        save_backup(database_url, folder / "none" / "a.dump")
    execute(
        database_url,
        "CREATE ROLE sees_videos LOGIN; GRANT SELECT ON videos TO sees_videos",
    )
    try:
        with pytest.raises(Fault, match=r"pg_dump failed .*permission denied"):
            save_backup(
                database_url.replace("postgres@", "sees_videos:secret@"),
                folder / "a.dump",
            )
    finally:
        execute(database_url, "DROP OWNED BY sees_videos; DROP ROLE sees_videos")
    assert list(folder.iterdir()) == [kept]


def test_a_program_must_not_be_older_than_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in (
        ("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'"),
        ("pg_restore", "exit 1"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}")
    for name in ("pg_dump", "pg_restore"):
        assert find_program(name, 14).parent != folder
    with pytest.raises(
        Fault, match=r"needs pg_dump 99 or newer .found: 9, .*client-99"
    ):
        find_program("pg_dump", 99)


def test_what_is_no_backup_is_refused(database_url: str, folder: Path) -> None:
    file = folder / "a.dump"
    with pytest.raises(Fault, match=r"a\.dump"):
        restore_backup(database_url, file)
    file.write_bytes(b"no backup")
    with pytest.raises(Fault, match="is not a backup"):
        restore_backup(database_url, file)
    whole = folder / "whole.dump"
    insert_video(database_url, "a.mp4", os.urandom(100_000))
    save_backup(database_url, whole)
    file.write_bytes(whole.read_bytes()[:-50_000])
    with pytest.raises(Fault, match="is not empty"):
        restore_backup(database_url, file)
    execute(database_url, "TRUNCATE videos CASCADE")
    with pytest.raises(Fault, match="pg_restore failed"):
        restore_backup(database_url, file)
    assert ask(database_url, "SELECT to_regclass('videos')") == [(None,)]
    restore_backup(database_url, whole)
    assert len(ask(database_url, "SELECT id FROM videos")) == 1


def test_a_video_that_pg_dump_cannot_take_is_named(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_video(database_url, "huge.mp4", bytes(1001))
    monkeypatch.setattr(backup, "MOST_BYTES", 1000)
    with pytest.raises(Fault, match=r"video 1 \(huge\.mp4\) has 1001 bytes"):
        save_backup(database_url, folder / "a.dump")
    assert list(folder.iterdir()) == []
