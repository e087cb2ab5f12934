"""Definitions and questions with the videos they show: read, locked, changed.

Whoever changes what is shown locks it here first and saves it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor

    from server.library.words.target import LinkTarget

_ANYTHING = dict.fromkeys(("ids", "word", "language", "native", "video"))


class Showing(NamedTuple):
    """A definition or question, and all the videos it shows, in order."""

    kind: str  # definition or question
    id: int
    word: str | None
    learning_language: str | None
    native_language: str | None
    videos: list[int]


def read_showing(cursor: Cursor, kind: str, ids: Sequence[int]) -> list[Showing]:
    """Return those that are there, by id."""
    rows = read_rows(cursor, f"read_{kind}s", {"ids": list(ids)})
    return [Showing(**row) for row in rows]


def lock_showing(cursor: Cursor, kind: str, **asked: object) -> list[Showing]:
    """Return all that fits what is asked for: ids, word, language, native, video.

    Nobody else changes it until the transaction ends. Statements of this transaction
    wait ten seconds for a lock from here on, then psycopg2 raises LockNotAvailable.
    """
    cursor.execute(queries()["limit_patience"])
    cursor.execute(queries()[f"lock_{kind}s"], _ANYTHING | asked)
    ids = [number for (number,) in cursor.fetchall()]
    return read_showing(cursor, kind, ids) if ids else []


def lock_target(
    cursor: Cursor, target: LinkTarget, video: int | None = None
) -> list[Showing]:
    """Return what a target means, and that shows the video if one is given; locked."""
    word, language, native, definition, question = target
    found = []
    if question is None:
        found += lock_showing(
            cursor,
            "definition",
            ids=None if definition is None else [definition],
            word=word,
            language=language,
            native=native,
            video=video,
        )
    if word is None and definition is None:
        ids = None if question is None else [question]
        found += lock_showing(cursor, "question", ids=ids, video=video)
    return found


def save_videos(cursor: Cursor, showing: Showing, videos: Sequence[int]) -> bool:
    """Have something that is locked show these videos; report whether that is new."""
    if list(videos) == showing.videos:
        return False
    first, *further = videos or (None,)
    values = {"id": showing.id, "first": first, "further": further}
    cursor.execute(queries()[f"save_{showing.kind}_videos"], values)
    return True


def save_order(cursor: Cursor, showing: Showing, videos: Sequence[int]) -> None:
    """Have something that is locked show these videos, each in its place."""
    cursor.execute(queries()[f"clear_{showing.kind}_videos"], {"id": showing.id})
    save_videos(cursor, showing._replace(videos=[]), videos)


def take_away(cursor: Cursor, target: LinkTarget, video: int) -> list[Showing]:
    """Have nothing that a target means show a video; return what did, as it was."""
    showing = lock_target(cursor, target, video)
    for each in showing:
        save_videos(cursor, each, remove_video(each.videos, video))
    return showing


def add_video(videos: list[int], video: int, *, replace: bool = False) -> list[int]:
    """Return the videos with this one behind them, or alone; once is enough."""
    if replace:
        return [video]
    return videos if video in videos else [*videos, video]


def swap_video(videos: list[int], old: int, new: int) -> list[int]:
    """Return the videos with a new one in the place of an old one; once is enough."""
    return list(dict.fromkeys(new if each == old else each for each in videos))


def remove_video(videos: list[int], video: int) -> list[int]:
    """Return the videos without this one."""
    return [each for each in videos if each != video]
