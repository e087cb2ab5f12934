"""Link videos to the definitions and questions that show them, and take links away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.arguments import ID_DIGITS
from server.library.files import show_text
from server.postgres.queries import queries
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import cursor as Cursor


class LinkTarget(NamedTuple):
    """The definitions of a word, one definition, one question; all None for all."""

    word: str | None = None
    language: str | None = None
    native: str | None = None
    definition: int | None = None
    question: int | None = None


class Link(NamedTuple):
    """What became of a definition or question; videos are all it shows, in order."""

    status: str  # linked, unlinked or exists
    video_id: int
    filename: str | None  # None of a video that is gone
    kind: str  # definition or question
    id: int
    word: str | None
    learning_language: str | None
    native_language: str | None
    videos: list[int]


class Shown(NamedTuple):
    """A definition or question with its videos."""

    id: int
    word: str | None
    learning_language: str | None
    native_language: str | None
    videos: list[int]


def link(
    url: str, video: str, target: LinkTarget, *, replace: bool = False
) -> list[Link]:
    """Add a video to all of target, or make it the only one; return what became."""
    check_target(target)
    if target == LinkTarget():
        raise Fault("nothing to link to: add --word W --language L, --definition ID "
                    "or --question ID")  # fmt: skip
    with opening(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute(queries()["limit_patience"])
        video_id, filename = find_video(cursor, video)
        found = _lock(cursor, target)
        if not any(found.values()):
            raise _explain_absence(cursor, target)
        return [
            _save(
                cursor,
                kind,
                shown,
                add_video(shown.videos, video_id, replace=replace),
                Link("linked", video_id, filename, kind, *shown),
            )
            for kind, all_shown in found.items()
            for shown in all_shown
        ]


def unlink(url: str, video: str, target: LinkTarget) -> list[Link]:
    """Take a video from all of target, without one from everything; return from what.

    An id is enough: the video may be gone from a table that is not ours.
    """
    check_target(target)
    with opening(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute(queries()["limit_patience"])
        video_id, filename = find_video(cursor, video, may_be_gone=True)
        return [
            _save(
                cursor,
                kind,
                shown,
                [each for each in shown.videos if each != video_id],
                Link("unlinked", video_id, filename, kind, *shown),
            )
            for kind, all_shown in _lock(cursor, target, video_id).items()
            for shown in all_shown
        ]


def add_video(videos: list[int], video: int, *, replace: bool) -> list[int]:
    """Return the videos with this one behind them, or alone; once is enough."""
    if replace:
        return [video]
    return videos if video in videos else [*videos, video]


def check_target(target: LinkTarget) -> None:
    """Raise Fault for a target that is not one thing."""
    named = (target.word, target.definition, target.question)
    if sum(each is not None for each in named) > 1:
        raise Fault("--word, --definition and --question exclude each other: give one")
    if (target.word is None) != (target.language is None):
        raise Fault("--word and --language go together: give both, or neither")
    if target.native is not None and target.word is None:
        raise Fault("--native goes with --word and --language: add them, or leave it")


def find_video(
    cursor: Cursor, video: str, *, may_be_gone: bool = False
) -> tuple[int, str | None]:
    """Return id and name; digits alone are an id, behind ./ they are a file name."""
    digits = video.isascii() and video.isdigit()
    name = None if digits else video
    plain = None if digits else video.removeprefix("./")
    number = int(video) if digits and len(video) <= ID_DIGITS else None
    cursor.execute(
        queries()["find_video"], {"id": number, "name": name, "plain": plain}
    )
    found = cursor.fetchone()
    if found is not None:
        return int(found[0]), found[1]
    if number is not None and may_be_gone:
        return number, None
    raise Fault(
        f"there is no video {show_text(video)}: give the id of one or its file name"
        + (f", which is ./{video} if it is of digits only" if digits else "")
    )


def _lock(
    cursor: Cursor, target: LinkTarget, video: int | None = None
) -> dict[str, list[Shown]]:
    """Return what target means of each kind, and that shows the video if one is given.

    Nobody else changes it until the transaction ends.
    """
    asked = target._asdict() | {"video": video}
    definitions = target.question is None
    questions = target.word is None and target.definition is None
    return {
        kind: _read(cursor, kind, asked | {"id": asked[kind]})
        for kind, wanted in (("definition", definitions), ("question", questions))
        if wanted
    }


def _read(cursor: Cursor, kind: str, asked: dict[str, object]) -> list[Shown]:
    cursor.execute(queries()[f"lock_{kind}s"], asked)
    ids = [number for (number,) in cursor.fetchall()]
    if not ids:
        return []
    cursor.execute(queries()[f"read_{kind}s"], {"ids": ids})
    return [Shown(*row) for row in cursor.fetchall()]


def _save(
    cursor: Cursor, kind: str, shown: Shown, videos: list[int], done: Link
) -> Link:
    if videos == shown.videos:
        return done._replace(status="exists")
    cursor.execute(
        queries()[f"save_{kind}_videos"],
        {"id": shown.id, "first": next(iter(videos), None), "further": videos[1:]},
    )
    return done._replace(videos=videos)


def _explain_absence(cursor: Cursor, target: LinkTarget) -> Fault:
    """Return that the target is not there, and what is like it."""
    if target.word is None:
        kind = "question" if target.definition is None else "definition"
        number = target.question if target.definition is None else target.definition
        return Fault(f"there is no {kind} {number}: give the id of one")
    asked = _describe(target.word, target.language, target.native)
    cursor.execute(queries()["list_similar_words"], {"word": target.word})
    similar = "; ".join(_describe(*row) for row in cursor.fetchall())
    remedy = f"there is {similar}" if similar else "add the definition first"
    return Fault(f"there is no definition of {asked}: {remedy}")


def _describe(*texts: str | None) -> str:
    word, *languages = (show_text(text) for text in texts if text is not None)
    return f"“{word}”" + (f" ({' for '.join(languages)})" if languages else "")


def render_links(links: Iterable[Link]) -> list[str]:
    """Return a line for each link."""
    return [_render_link(link) for link in links]


def _render_link(link: Link) -> str:
    name = show_text(link.filename or "(gone)")
    what = _describe(link.word or "?", link.learning_language, link.native_language)
    line = f"{link.status}  {link.video_id} {name}  {link.kind} {link.id} {what}"
    others = [str(video) for video in link.videos if video != link.video_id]
    return line + (f", which also shows {', '.join(others)}" if others else "")
