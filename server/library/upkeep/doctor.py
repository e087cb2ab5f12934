"""Find what is wrong with the library or the database around it; change nothing."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.library.clips.check import FAULT, WARNING
from server.library.clips.selftest import check_ffmpeg
from server.library.ffmpeg.sandbox import Sandbox
from server.library.report import count_noun, show
from server.library.upkeep.findings import CHECKS, COUNTED, Finding
from server.postgres.plain import first_line
from server.postgres.queries import queries, sql_directory
from server.postgres.refusals import ABSENT, find_remedy, is_damage, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

ROWS_MAX = 100  # findings of one check; what ails a whole table is told by fewer
_JOINERS = "\u200c\u200d"  # no signs of their own, but Persian and emoji need them


def diagnose(url: str) -> Iterator[Finding]:
    """Yield what is wrong: with libraries, migrations, tables, a pooler.

    Fault if the database does not answer.
    """
    yield from _find_libraries()
    with opening(url) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        try:
            cursor.execute(queries()["check_videos"])
        except psycopg2.ProgrammingError as error:
            why = f"there are no videos to serve ({first_line(error)})"
            yield Finding("no-videos", FAULT, why, find_remedy(error))
            return
        yield from _find_migrations(cursor)
        for query, finding in CHECKS:
            yield from _find(cursor, query, finding)
        yield from _find_pooler(connection, cursor)


def _find_libraries() -> Iterator[Finding]:
    try:
        with Sandbox() as sandbox:
            check_ffmpeg(sandbox)
    except Fault as fault:
        yield Finding("libraries", FAULT, fault.reason, fault.remedy)


def _find(cursor: Cursor, query: str, finding: Finding) -> Iterator[Finding]:
    """Yield a finding a row; a table of others is not asked for what it lacks."""
    try:
        rows = read_rows(cursor, query)
    except psycopg2.Error as error:
        if cursor.connection.closed:
            raise
        if error.pgcode not in ABSENT:
            yield _explain(finding.code, error)
        return
    if finding.code == "odd-name":
        rows = [row for row in rows if name_is_odd(str(row["filename"]))]
    for row in rows[:ROWS_MAX]:
        texts = {name: _show(name, value) for name, value in row.items()}
        yield finding._replace(
            sentence=finding.sentence.format_map(texts),
            remedy=finding.remedy.format_map(texts),
        )
    more = len(rows) - ROWS_MAX
    if more > 0:
        why = f"{more:,} more are like the {ROWS_MAX} before"
        yield Finding(finding.code, finding.severity, why, "see to those first")


def _explain(code: str, error: psycopg2.Error) -> Finding:
    """Return that a check could not be made, which may be a finding itself."""
    why = f"nothing can be said about {code} ({first_line(error)})"
    if is_damage(error):
        return Finding("unreadable", FAULT, why, "bytereel verify")
    return Finding("unknown", WARNING, why, "fix that, then run it again")


def _show(name: str, value: object) -> str:
    if name in COUNTED and isinstance(value, int):
        return count_noun(value, COUNTED[name])
    return str(value) if name.endswith("id") else show(name, value)


def _find_migrations(cursor: Cursor) -> Iterator[Finding]:
    files = (sql_directory() / "migrations").glob("*.sql")
    known = {path.stem for path in files if ".rollback" not in path.name}
    cursor.execute(queries()["find_records"])
    if cursor.fetchone() == (None,):
        yield Finding(
            "not-migrated",
            WARNING,
            "the tables were not made by bytereel migrate, so they can be served only",
            "bytereel migrate, if they are to be practised and managed too",
        )
        return
    cursor.execute(queries()["list_records"])
    applied = {name for (name,) in cursor.fetchall()}
    for name in sorted(known - applied):
        why = f"the migration {name} is not applied"
        yield Finding("pending-migration", FAULT, why, "bytereel migrate")
    for name in sorted(applied - known):
        yield Finding(
            "unknown-migration",
            FAULT,
            f"this version of bytereel does not know the migration {show('', name)}",
            "use the version that applied it, or a newer one",
        )


def name_is_odd(filename: str) -> bool:
    """Report whether a name is none to read: signs or ends that do not show."""
    plain = "".join(sign for sign in filename if sign not in _JOINERS)
    return (
        not plain.isprintable()
        or plain != plain.strip()
        or not any(unicodedata.category(sign)[0] in "LN" for sign in plain)
    )


def _find_pooler(connection: Connection, cursor: Cursor) -> Iterator[Finding]:
    cursor.execute(queries()["find_backend"])
    if cursor.fetchone() != (connection.info.backend_pid,):
        yield Finding(
            "pooler",
            WARNING,
            "a pooler is in front of the database, and keeps our settings from it",
            "in SQL: ALTER ROLE … SET client_connection_check_interval = '1s', so that "
            "reads end when the server that asked has gone",
        )


def render_findings(findings: list[Finding]) -> list[str]:
    """Return a line for each finding, or one for none."""
    lines = [
        f"{found.severity} {found.code}: {found.sentence}: {found.remedy}"
        for found in findings
    ]
    return lines or ["Nothing is wrong."]
