"""List the words, each with the clips that its definitions show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from server.library.keeping.tables import describe_tables, need_links, stream_pages
from server.postgres.queries import queries
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from collections.abc import Iterator


class ListedWord(NamedTuple):
    """A word of a language; the numbers are those of all its definitions."""

    word: str
    language: str
    natives: list[str]  # the languages of those who learn it
    definitions: int
    questions: int
    videos: list[int]  # ids, in the order of the definitions and of what they show


def list_words(
    url: str,
    text: str = "",
    language: str | None = None,
    *,
    with_clip: bool | None = None,
) -> Iterator[list[ListedWord]]:
    """Yield in pages the words that have text in them; with_clip None asks for all.

    Fault where there are no words.
    """
    search = normalize("NFC", text)
    values = {"search": search, "language": language, "with_clip": with_clip}
    with opening(url) as connection:
        with connection.cursor() as cursor:
            cursor.execute(queries()["allow_long_statements"])
            need_links(describe_tables(cursor))
        for rows in stream_pages(connection, "list_words_with_clips", values):
            yield [ListedWord(**row) for row in rows]
