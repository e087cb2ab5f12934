"""List the clips: searched, sorted, with their words and flaws, a page at a time."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from server.errors import Fault
from server.library.clips.check import SEVERITIES
from server.library.clips.codes import CODES
from server.library.files import show_text
from server.library.keeping.tables import (
    Tables,
    describe_tables,
    need_checks,
    need_links,
    stream_pages,
)
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.postgres.rows import Row


UNCHECKED = "unchecked"
_GROUPS = ("any", "none", UNCHECKED)


class Search(NamedTuple):
    """Which clips are asked for, and in which order."""

    text: str = ""  # that file names have in them, in any case of letters
    word: str | None = None
    language: str | None = None
    unlinked: bool = False  # only what nothing shows
    flaw: str | None = None  # a code, a severity, any, none or unchecked
    sort: str = "newest"  # or oldest, name, size, duration, views
    limit: int | None = None


class ListedClip(NamedTuple):
    """A clip; None stands for what the database cannot tell."""

    id: int
    filename: str
    mime_type: str | None
    bytes: int
    duration_seconds: int | None
    created_at: str | None  # of UTC, in ISO 8601
    words: list[str] | None
    languages: list[str] | None
    definitions: int | None
    questions: int | None
    views: int | None
    checked_at: str | None  # as above; None of a clip that was never checked, too
    flaws: list[str] | None  # codes, the worst first


class Page(NamedTuple):
    """Some of the clips that are found, and how many there are without a limit."""

    clips: list[ListedClip]
    total: int


def list_clips(url: str, search: Search) -> Iterator[Page]:
    """Yield the clips in pages, of which only one is held.

    Fault if the database cannot tell what is asked for.
    """
    with opening(url) as connection:
        with connection.cursor() as cursor:
            cursor.execute(queries()["allow_long_statements"])
            tables = describe_tables(cursor)
            values = _plan(cursor, tables, search)
        for rows in stream_pages(connection, "list_clips", values):
            totals = [row.pop("total") for row in rows]
            yield Page(_complete(connection, tables, rows), totals[0])


def need_code(flaw: str) -> None:
    """Raise Fault for what is neither a code of a flaw nor stands for several."""
    known = (*CODES, *SEVERITIES, *_GROUPS)
    if flaw in known:
        return
    near = get_close_matches(flaw, known, 1)
    raise Fault(
        f"no flaw has the code “{show_text(flaw)}”: "
        + (f"did you mean {near[0]}? " if near else "")
        + "server/library/clips/README.md lists all; fault, warning, note, any, none "
        "and unchecked go too"
    )


def has_unchecked(url: str) -> bool:
    """Report whether a clip was never checked."""
    return any(list_clips(url, Search(flaw=UNCHECKED, limit=1)))


def _plan(cursor: Cursor, tables: Tables, search: Search) -> dict[str, object]:
    """Return the values of list_clips: what other tables tell comes as lists of ids."""
    only: set[int] | None = None
    without: set[int] = set()
    if search.word is not None or search.language is not None:
        need_links(tables)
        only = _find_shown(cursor, search.word, search.language)
    if search.unlinked:
        need_links(tables)
        without = _find_shown(cursor)
    if search.flaw is not None:
        need_checks(tables)
        found = _find_ids(cursor, "find_clips_by_flaw", flaw=search.flaw)
        if not found:  # older rules may have kept what is unknown by now
            need_code(search.flaw)
        only = found if only is None else only & found
    viewed: list[Row] = []
    if search.sort == "views":
        if not tables.views:
            raise Fault("this database counts no views: run bytereel migrate")
        viewed = read_rows(cursor, "list_clip_views", {"ids": None})
    return {
        "search": normalize("NFC", search.text),
        "only": None if only is None else list(only),
        "without": list(without),
        "watched": [row["video_id"] for row in viewed],
        "views": [row["views"] for row in viewed],
        "sort": search.sort,
        "limit": search.limit,
    }


def _find_shown(
    cursor: Cursor, word: str | None = None, language: str | None = None
) -> set[int]:
    word = word and normalize("NFC", word)
    return _find_ids(cursor, "find_clips_by_word", word=word, language=language)


def _find_ids(cursor: Cursor, query: str, **values: object) -> set[int]:
    return {row["video_id"] for row in read_rows(cursor, query, values)}


def _complete(
    connection: Connection, tables: Tables, rows: list[Row]
) -> list[ListedClip]:
    """Return the clips with what other tables tell of them."""
    ids = [row["id"] for row in rows]
    with connection.cursor() as cursor:
        words = _look_up(cursor, "list_clip_words", ids) if tables.links else {}
        views = _look_up(cursor, "list_clip_views", ids) if tables.views else {}
        checks = _look_up(cursor, "list_clip_checks", ids) if tables.checks else {}
    unlinked: Row = {"words": [], "languages": [], "definitions": 0, "questions": 0}
    if not tables.links:
        unlinked = dict.fromkeys(unlinked)
    unchecked: Row = {"checked_at": None, "flaws": None}
    unseen: Row = {"views": 0 if tables.views else None}
    return [
        ListedClip(
            **row,
            **words.get(row["id"], unlinked),
            **views.get(row["id"], unseen),
            **checks.get(row["id"], unchecked),
        )
        for row in rows
    ]


def _look_up(cursor: Cursor, query: str, ids: list[int]) -> dict[int, Row]:
    rows = read_rows(cursor, query, {"ids": ids})
    return {row.pop("video_id"): row for row in rows}
