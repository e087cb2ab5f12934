"""Which words the videos that nothing shows may be for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from server.library.files import show_text
from server.library.words.naming import word_candidates, word_key
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.postgres.rows import Row


class Suggestion(NamedTuple):
    """A word that an unlinked video may be for."""

    word: str
    language: str
    command: str


class UnlinkedClip(NamedTuple):
    """A video that nothing shows, and the words it may be for."""

    video_id: int
    filename: str
    words: list[Suggestion]


def suggest(url: str, language: str | None = None) -> list[UnlinkedClip]:
    """Return the unlinked videos and the words of a language that they may be for."""
    with opening(url) as connection, connection.cursor() as cursor:
        words: dict[str, list[Row]] = {}
        for row in read_rows(cursor, "list_words", {"language": language}):
            words.setdefault(word_key(row["word"]), []).append(row)
        clips = read_rows(cursor, "list_unlinked")
    return [
        UnlinkedClip(
            clip["id"],
            clip["filename"],
            [
                Suggestion(**word, command=build_command(clip["id"], **word))
                for key in word_candidates(clip["filename"])
                for word in words.get(key, [])
            ],
        )
        for clip in clips
    ]


def build_command(video_id: int, word: str, language: str) -> str:
    """Return the command that links a video to a word, for a shell."""
    return f"bytereel link {video_id} --word={quote(word)} --language={quote(language)}"


def quote(text: str) -> str:
    """Return text as a shell reads it, on one line and without what does not show."""
    if text.isprintable():
        return shlex.quote(text)
    signs = (
        sign if sign.isprintable() and sign not in "'\\" else f"\\U{ord(sign):08x}"
        for sign in text
    )
    return f"$'{''.join(signs)}'"


def render_suggestions(unlinked: Iterable[UnlinkedClip]) -> list[str]:
    """Return lines for a shell: a remark for each video, a command for each word."""
    lines = []
    for video_id, filename, words in unlinked:
        remark = "" if words else ": no word is like this name"
        lines.append(f"# {video_id}  {show_text(filename)}{remark}")
        lines += [word.command for word in words]
    return lines
