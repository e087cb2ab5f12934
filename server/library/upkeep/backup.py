"""The whole database into a file and back, by pg_dump and pg_restore that fit it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg2.extensions import make_dsn, parse_dsn

from server.errors import Fault
from server.library.files import show_path, show_text, unreadable
from server.postgres import migrations
from server.postgres.embedded.binaries import list_candidates
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 536_000_000  # of one video; COPY's row of text stays below 1 GiB
SIGNATURE = b"PGDMP"  # of pg_dump's custom format
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def save_backup(url: str, file: Path) -> int:
    """Write the backup, all of it or nothing; return its bytes.

    Fault when the file is there already or cannot be written, a video is too large for
    pg_dump, or pg_dump is missing or fails.
    """
    shown, part = show_path(file), Path(f"{file}.part")
    if file.exists():
        raise Fault(f"{shown} already exists: choose another name, or move it away")
    with opening(url) as connection, connection.cursor() as cursor:
        major = connection.server_version // 10_000
        for row in read_rows(cursor, "find_too_large", {"most": MOST_BYTES}):
            raise Fault(
                f"video {row['id']} ({show_text(row['filename'])}) has {row['size']} "
                f"bytes, and pg_dump can write at most {MOST_BYTES}: copy the "
                "server's files instead, with pg_basebackup"
            )
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            # The text that it makes of bytes is twice as long; this takes that back.
            options = ["--format=custom", "--compress=1", f"--file={part}"]
            run_program("pg_dump", major, url, options)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
        return file.stat().st_size
    except OSError as error:
        raise Fault(
            f"{shown} cannot be written ({error.strerror}): choose another place"
        ) from error


def restore_backup(url: str, file: Path) -> None:
    """Fill an empty database, in one transaction.

    Fault when it has rows already, the file is no backup, or pg_restore is missing or
    fails.
    """
    shown = show_path(file)
    try:
        with file.open("rb") as source:
            signature = source.read(len(SIGNATURE))
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from error
    if signature != SIGNATURE:
        raise Fault(f"{shown} is not a backup: give a file that bytereel backup saved")
    with opening(url) as connection, connection.cursor() as cursor:
        major = connection.server_version // 10_000
        cursor.execute(queries()["list_filled"])
        filled = [name for (name,) in cursor.fetchall()]
    if filled:
        raise Fault(
            f"the database is not empty (there is {filled[0]}): restore into a new "
            "one, with another --data-dir or --database-url"
        )
    applied = [name for name, applied in migrations.list_status(url) if applied]
    if applied:  # the backup brings the tables of its own time
        migrations.rollback(url, len(applied))
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-acl"]
    run_program("pg_restore", major, url, [*options, f"{file.absolute()}"])


def run_program(name: str, major: int, url: str, options: list[str]) -> None:
    """Run one of PostgreSQL's programs on the database; a Fault quotes its error."""
    asked = parse_dsn(url)
    password = asked.pop("password", None)  # others could see it in the command line
    secret = {} if password is None else {"PGPASSWORD": password}
    command = [f"{find_program(name, major)}", "--no-password", *options]
    done = subprocess.run(
        [*command, f"--dbname={make_dsn(**asked)}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"LC_ALL": "C"} | secret,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        first = next((line for line in lines if "error:" in line), lines[-1])
        raise Fault(f"{name} failed ({first}): fix that, then run it again")


def find_program(name: str, major: int) -> Path:
    """Return a program that knows servers of that major: its own or a newer one.

    Fault when all are older.
    """
    seen = []
    for program in list_programs(name):
        version = read_major(program)
        if version is not None and version >= major:
            return program
        seen.append(f"{version}")
    raise Fault(
        f"the server is PostgreSQL {major}, which needs {name} {major} or newer "
        f"(found: {', '.join(seen) or 'none'}): install postgresql-client-{major}"
    )


def list_programs(name: str) -> Iterator[Path]:
    """Yield where it lies: on PATH, in the wheel, and where Debian has it."""
    if found := shutil.which(name):
        yield Path(found)
    for place in list_candidates():
        if (place / name).exists():
            yield place / name


def read_major(program: Path) -> int | None:
    """Return 18 of PostgreSQL 18.4; None where nothing works."""
    try:
        done = subprocess.run(
            [f"{program}", "--version"], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    match = _VERSION.search(done.stdout)
    return int(match[1]) if match else None
