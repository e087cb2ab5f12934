"""Apply the files of sql/migrations, a transaction each, or undo several in one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries, sql_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection, cursor

_UNDO = ".rollback.sql"


def apply(url: str, *, directory: Path | None = None) -> list[str]:
    """Apply what is missing; return the names in order, [] when nothing was.

    Fault if one fails, where those before it stay, or the database has one unknown.
    """
    files = _list_files(directory)
    done: list[str] = []
    with _open(url) as database:
        while name := _apply_next(database, files):
            done.append(name)
    return done


def list_status(url: str, *, directory: Path | None = None) -> list[tuple[str, bool]]:
    """Return each migration in order and whether it is applied; write nothing."""
    files = _list_files(directory)
    with _open(url) as database, database.cursor() as asked:
        applied = set(_list_applied(asked, files))
    return [(name, name in applied) for name in files]


def rollback(url: str, count: int, *, directory: Path | None = None) -> list[str]:
    """Undo the newest count migrations, all or none; return them newest first.

    Fault if fewer are applied, or one fails.
    """
    files = _list_files(directory)
    with _open(url) as database, database.cursor() as asked:
        asked.execute(queries()["wait_for_turn"])
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
        database.commit()
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


def _apply_next(database: connection, files: dict[str, Path]) -> str | None:
    with database.cursor() as asked:
        asked.execute(queries()["wait_for_turn"])
        applied = set(_list_applied(asked, files))
        missing = [name for name in files if name not in applied]
        if not missing:
            return None
        _run_file(asked, files[missing[0]])
        asked.execute(queries()["create_records"])
        asked.execute(queries()["save_record"], {"name": missing[0]})
        database.commit()
    return missing[0]


def _run_file(asked: cursor, path: Path) -> None:
    """Run one file; it must not end the transaction that it runs in."""
    try:
        statements = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fault(
            f"{path.name} is missing, so nothing was rolled back: reinstall bytereel"
        ) from None
    asked.execute(queries()["limit_patience"])
    try:
        asked.execute(statements)
    except psycopg2.Error as error:
        raise Fault(
            f"{path.name} failed and changed nothing: {first_line(error)}"
        ) from error
