"""Which words the videos that nothing shows may be for."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from server.library.files import show_text
from server.library.report import count_noun
from server.library.words.forms import split_name, split_word
from server.library.words.likeness import Like, Word, WordIndex
from server.library.words.link import add_link, render_links
from server.library.words.naming import word_key
from server.library.words.showing import lock_showing
from server.library.words.stems import read_stems
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg2.extensions import cursor as Cursor

    from server.library.words.link import Link
    from server.library.words.showing import Showing


class Suggestion(NamedTuple):
    """A word that an unlinked video may be for."""

    word: str
    language: str
    score: float  # from LEAST_SCORE to 1, which is the same name
    reason: str
    command: str


class UnlinkedClip(NamedTuple):
    """A video that nothing shows, and the words it may be for, the best first."""

    video_id: int
    filename: str
    words: list[Suggestion]


class AppliedLink(NamedTuple):
    """A link that was made by a suggestion."""

    link: Link
    score: float
    reason: str

    def as_json(self) -> dict[str, object]:
        """Return the link with score and reason, as json.dumps takes it."""
        return self.link._asdict() | {"score": self.score, "reason": self.reason}

    def as_planned(self) -> AppliedLink:
        """Return it as what a run that is not dry would do."""
        return self._replace(link=self.link._replace(status="would-link"))


class Applied(NamedTuple):
    """What came of suggestions: the links, and how many videos got none."""

    links: list[AppliedLink]
    left: int


def suggest(
    url: str, language: str | None = None, flags: str = ""
) -> list[UnlinkedClip]:
    """Return the unlinked videos and the words of a language that they may be for.

    flags go behind each command, as a shell reads them.
    """
    with opening(url) as connection, connection.cursor() as cursor:
        return _read_suggestions(cursor, language, flags)


def apply_suggestions(
    url: str, language: str | None, least: float, *, dry_run: bool = False
) -> Applied:
    """Link each unlinked video to its best word if that has at least this score.

    A video is left if another word, or the same one of another language, has as good a
    score. All is one transaction; a dry run takes it back.
    """
    with opening(url) as connection, connection, connection.cursor() as cursor:
        clips = _read_suggestions(cursor, language)
        best = [(clip, choose_words(clip.words, least)) for clip in clips]
        links = list(_apply(cursor, best))
        if dry_run:
            connection.rollback()
            links = [each.as_planned() for each in links]
    return Applied(links, sum(not words for _, words in best))


def _apply(
    cursor: Cursor, best: Sequence[tuple[UnlinkedClip, list[Suggestion]]]
) -> Iterator[AppliedLink]:
    """Link the clips to these words, all of which are locked first, at once."""
    chosen = (word for _, words in best for word in words)
    showing = _lock_words(cursor, {(word.word, word.language) for word in chosen})
    for clip, words in best:
        for word in words:
            own = showing[word.word, word.language]
            for place, each in enumerate(own):
                link = add_link(cursor, clip.video_id, clip.filename, each)
                own[place] = each._replace(videos=link.videos)
                yield AppliedLink(link, word.score, word.reason)


def _lock_words(
    cursor: Cursor, words: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[Showing]]:
    """Return the definitions of words of languages, by these; locked."""
    by_language: dict[str, list[str]] = defaultdict(list)
    for word, language in words:
        by_language[language].append(word)
    ids: list[int] = []
    for language, own in by_language.items():
        asked = {"language": language, "words": own}
        ids += [row["id"] for row in read_rows(cursor, "list_definitions", asked)]
    found: dict[tuple[str, str], list[Showing]] = defaultdict(list)
    for each in lock_showing(cursor, "definition", ids=sorted(ids)) if ids else ():
        found[each.word or "", each.learning_language or ""].append(each)
    return found


def choose_words(words: list[Suggestion], least: float) -> list[Suggestion]:
    """Return the best: several if they are the same word in other letters.

    None if the best has less than the least score, or cannot be told from another.
    """
    best = [word for word in words if word.score == words[0].score >= least]
    kinds = {(word_key(word.word), word.language) for word in best}
    return best if len(kinds) == 1 else []


def _read_suggestions(
    cursor: Cursor, language: str | None, flags: str = ""
) -> list[UnlinkedClip]:
    clips = read_rows(cursor, "list_unlinked")
    rows = read_rows(cursor, "list_words", {"language": language}) if clips else []
    words = [Word(**row) for row in rows]
    parts = {part for clip in clips for part in split_name(clip["filename"])}
    parts.update(part for word in words for part in split_word(word.word))
    stems = read_stems(cursor, parts, {word.language for word in words})
    index = WordIndex(words, stems)
    return [
        UnlinkedClip(
            clip["id"],
            clip["filename"],
            [
                _suggest(clip["id"], like, flags)
                for like in index.find(clip["filename"])
            ],
        )
        for clip in clips
    ]


def _suggest(video_id: int, like: Like, flags: str) -> Suggestion:
    command = build_command(video_id, like.word, like.language)
    return Suggestion(*like, command + flags)


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
        lines += [f"{each.command}  # {each.score:.2f} {each.reason}" for each in words]
    return lines


def render_applied(links: Iterable[AppliedLink]) -> list[str]:
    """Return a line for each link, with its score and reason."""
    return [
        f"{line}  {score:.2f} {reason}"
        for link, score, reason in links
        for line in render_links([link])
    ]


def render_count(applied: Applied, least: float) -> str:
    """Return how many videos got links, and why the others got none."""
    videos = len({each.link.video_id for each in applied.links})
    total = count_noun(videos + applied.left, "unlinked video")
    counts = f"{videos:,} of {total} {'has' if videos == 1 else 'have'} a word"
    if not applied.left:
        return counts
    return f"{counts}; the others have none of {least:g} or more, or several"
