"""Apply the files of sql/migrations, a transaction each, or undo several in one."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.postgres.migration_locks import (
    Watcher,
    build_blocked,
    retry_locked,
    taking_turn,
)
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries, sql_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection, cursor

PATIENCE_SECONDS = 60.0
"""For so long a file is tried again while others hold a lock that it needs."""

LIST = "what is missing"
"""Named in place of a file while it is not known yet."""
_UNDO = ".rollback.sql"
_OUTSIDE = "-- Outside of a transaction:"
"""What a file begins with whose statements can't run in one."""


def apply(
    url: str,
    *,
    directory: Path | None = None,
    patience: float = PATIENCE_SECONDS,
    turn_patience: float | None = None,
) -> list[str]:
    """Apply what is missing; return the names in order, [] when nothing was.

    Fault if one fails, where those before it stay, or the database has one unknown; of
    these Held if others hold a lock for longer than patience, in seconds, or migrate
    for longer than turn_patience.
    """
    files = _list_files(directory)
    done: list[str] = []
    with _open(url) as database:
        look = partial(_find_missing, files)
        if not retry_locked(url, database, LIST, patience, look):
            return done
        with taking_turn(url, turn_patience):
            while missing := retry_locked(url, database, LIST, patience, look):
                path = files[missing[0]]
                is_outside = path.read_text(encoding="utf-8").startswith(_OUTSIDE)
                if is_outside:
                    _run_outside(url, database, path, patience)
                attempt = partial(_apply_file, files, path, has_run=is_outside)
                if retry_locked(url, database, path.name, patience, attempt):
                    done.append(path.stem)
    return done


def list_status(url: str, *, directory: Path | None = None) -> list[tuple[str, bool]]:
    """Return each migration in order and whether it is applied; write nothing."""
    files = _list_files(directory)
    with _open(url) as database:
        missing = _list_missing(database, files)
    return [(name, name not in missing) for name in files]


def rollback(
    url: str,
    count: int,
    *,
    directory: Path | None = None,
    patience: float = PATIENCE_SECONDS,
) -> list[str]:
    """Undo the newest count migrations, all or none; return them newest first.

    Fault if fewer are applied, one fails, or others hold a lock for longer than
    patience, in seconds.
    """
    undo = partial(_undo_newest, _list_files(directory), count)
    with _open(url) as database, taking_turn(url):
        return retry_locked(url, database, "the rollback", patience, undo)


def _undo_newest(files: dict[str, Path], count: int, asked: cursor) -> list[str]:
    applied = _list_applied(asked, files)
    if not 1 <= count <= len(applied):
        raise Fault(
            f"cannot roll back {count} of {len(applied)} applied migrations: "
            "see bytereel migrate --status"
        )
    newest = applied[: -count - 1 : -1]
    for name in newest:
        _run_file(asked, files[name].with_name(name + _UNDO))
        asked.execute(queries()["delete_record"], {"name": name})
    if count == len(applied):
        asked.execute(queries()["drop_records"])
    return newest


def _list_files(directory: Path | None) -> dict[str, Path]:
    paths = sorted((directory or sql_directory() / "migrations").glob("*.sql"))
    return {path.stem: path for path in paths if not path.name.endswith(_UNDO)}


@contextmanager
def _open(url: str) -> Iterator[connection]:
    """Connect; what is not committed is undone when the connection closes."""
    database = connect(url)
    try:
        yield database
    except psycopg2.Error as error:
        reason = first_line(error)
        raise Fault(
            f"PostgreSQL stopped the migration ({reason}): fix that, then run it again"
        ) from error
    finally:
        database.close()


def _list_applied(asked: cursor, files: dict[str, Path]) -> list[str]:
    asked.execute(queries()["find_records"])
    if asked.fetchone() == (None,):
        return []
    asked.execute(queries()["list_records"])
    applied = sorted(name for (name,) in asked)
    if unknown := [name for name in applied if name not in files]:
        raise Fault(
            f"the database has the migration {unknown[-1]}, which this version of "
            "bytereel does not know: use the version that applied it, or a newer one"
        )
    return applied


def _list_missing(database: connection, files: dict[str, Path]) -> list[str]:
    """Return what is not applied, and end the transaction that has seen it."""
    with database.cursor() as asked:
        missing = _find_missing(files, asked)
    database.rollback()
    return missing


def _find_missing(files: dict[str, Path], asked: cursor) -> list[str]:
    applied = set(_list_applied(asked, files))
    return [name for name in files if name not in applied]


def _apply_file(
    files: dict[str, Path], path: Path, asked: cursor, *, has_run: bool
) -> bool:
    """Run one file, unless it has, and note it; False if an older version did it."""
    if path.stem in _list_applied(asked, files):
        return False
    if not has_run:
        _run_file(asked, path)
    asked.execute(queries()["create_records"])
    asked.execute(queries()["save_record"], {"name": path.stem})
    return True


def _run_file(asked: cursor, path: Path) -> None:
    """Run one file; it must not end the transaction that it runs in."""
    try:
        statements = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fault(
            f"{path.name} is missing, so nothing was rolled back: reinstall bytereel"
        ) from None
    try:
        asked.execute(statements)
    except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected):
        raise
    except psycopg2.Error as error:
        raise Fault(
            f"{path.name} failed and changed nothing: {first_line(error)}"
        ) from error


def _run_outside(url: str, database: connection, path: Path, patience: float) -> None:
    """Run the statements of one file, each by itself.

    They wait for others without making anybody wait. Those that were carried out stay
    if a later one fails, so the file must be one that can be run again.
    """
    database.autocommit = True
    with database.cursor() as asked:
        asked.execute(queries()["find_backend"])
        if asked.fetchone() == (database.info.backend_pid,):  # else it is a pooler's
            asked.execute(queries()["relax_session"])
        for statement in _split(path):
            with Watcher(url, database, path.name, patience) as watcher:
                try:
                    asked.execute(statement)
                except psycopg2.Error as error:
                    if watcher.is_cancelled:
                        raise build_blocked(path.name, watcher.holders) from None
                    raise Fault(
                        f"{path.name} failed ({first_line(error)}): "
                        "fix that, then run it again, which begins this one anew"
                    ) from error
    database.autocommit = False


def _split(path: Path) -> list[str]:
    """Return the statements of a file, each of which ends a line."""
    parts = re.split(r";\s*\n", path.read_text(encoding="utf-8") + "\n")
    return [part for part in parts if part.strip()]
