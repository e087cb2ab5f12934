"""Link videos to definitions and questions, take links away, and delete videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.arguments import ID_DIGITS
from server.library.files import show_text
from server.library.words.showing import (
    Showing,
    add_video,
    lock_target,
    remove_video,
    save_videos,
    take_away,
)
from server.library.words.target import LinkTarget, Misfit, find_misfit
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import cursor as Cursor

_MISFITS = {
    Misfit.SEVERAL: "--word, --definition and --question exclude each other: give one",
    Misfit.HALF_A_WORD: "--word and --language go together: give both, or neither",
    Misfit.NATIVE_ALONE: "--native goes with --word and --language: add them, or leave "
    "it",
    Misfit.NOTHING: "nothing to link to: add --word W --language L, --definition ID or "
    "--question ID",
}


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


def link(
    url: str, video: str, target: LinkTarget, *, replace: bool = False
) -> list[Link]:
    """Add a video to all of target, or make it the only one; return what became.

    Fault for a target that is not one thing or is not there, without the video, and for
    a level.
    """
    if misfit := find_misfit(target):
        raise Fault(_MISFITS[misfit])
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, filename = find_video(cursor, video)
        if any(
            row["is_level"] for row in read_rows(cursor, "is_level", {"id": video_id})
        ):
            raise Fault(
                f"video {video_id} is a level of another video: link that one, and its "
                "levels are offered with it"
            )
        links = add_links(cursor, video_id, filename, target, replace=replace)
        if not links:
            raise _explain_absence(cursor, target)
        return links


def add_links(
    cursor: Cursor,
    video_id: int,
    filename: str | None,
    target: LinkTarget,
    *,
    replace: bool = False,
) -> list[Link]:
    """Add a video to all of target, or make it the only one; empty if none is there."""
    return [
        add_link(cursor, video_id, filename, each, replace=replace)
        for each in lock_target(cursor, target)
    ]


def add_link(
    cursor: Cursor,
    video_id: int,
    filename: str | None,
    showing: Showing,
    *,
    replace: bool = False,
) -> Link:
    """Add a video to something that is locked, or make it the only one."""
    videos = add_video(showing.videos, video_id, replace=replace)
    status = "linked" if save_videos(cursor, showing, videos) else "exists"
    return _describe_link(status, video_id, filename, showing, videos)


def unlink(url: str, video: str, target: LinkTarget) -> list[Link]:
    """Take a video from all of target, without one from everything; return from what.

    An id is enough: the video may be gone from a table that is not ours. Fault for a
    target that is several things or half of one, and without the video.
    """
    misfit = find_misfit(target)
    if misfit and misfit is not Misfit.NOTHING:
        raise Fault(_MISFITS[misfit])
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, filename = find_video(cursor, video, may_be_gone=True)
        return [
            _describe_link(
                "unlinked",
                video_id,
                filename,
                each,
                remove_video(each.videos, video_id),
            )
            for each in take_away(cursor, target, video_id)
        ]


def _describe_link(
    status: str,
    video_id: int,
    filename: str | None,
    showing: Showing,
    videos: list[int],
) -> Link:
    fields = showing._replace(videos=videos)._asdict()
    return Link(status, video_id, filename, **fields)


def delete_with_links(url: str, video_id: int) -> list[Showing] | None:
    """Delete a video; return what showed it, as it was; None if it was gone already.

    What showed it shows its other videos.
    """
    with opening(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute(queries()["allow_long_statements"])
        showing = take_away(cursor, LinkTarget(), video_id)
        cursor.execute(queries()["delete_video"], {"id": video_id})
        if cursor.fetchall():
            return showing
        connection.rollback()
        return None


def find_video(
    cursor: Cursor, video: str, *, may_be_gone: bool = False
) -> tuple[int, str | None]:
    """Return id and name; digits alone are an id, behind ./ they are a file name."""
    digits = video.isascii() and video.isdigit()
    name = None if digits else video
    plain = None if digits else video.removeprefix("./")
    number = int(video) if digits and len(video) <= ID_DIGITS else None
    values = {"id": number, "name": name, "plain": plain}
    for row in read_rows(cursor, "find_video", values):
        return row["id"], row["filename"]
    if number is not None and may_be_gone:
        return number, None
    raise Fault(
        f"there is no video {show_text(video)}: give the id of one or its file name"
        + (f", which is ./{video} if it is of digits only" if digits else "")
    )


def _explain_absence(cursor: Cursor, target: LinkTarget) -> Fault:
    """Return that the target is not there, and what is like it."""
    if target.word is None:
        kind = "question" if target.definition is None else "definition"
        number = target.question if target.definition is None else target.definition
        return Fault(f"there is no {kind} {number}: give the id of one")
    asked = _describe(target.word, target.language, target.native)
    rows = read_rows(cursor, "list_similar_words", {"word": target.word})
    similar = "; ".join(_describe(**row) for row in rows)
    remedy = f"there is {similar}" if similar else "add the definition first"
    return Fault(f"there is no definition of {asked}: {remedy}")


def _describe(word: str, language: str | None, native: str | None) -> str:
    languages = [show_text(each) for each in (language, native) if each is not None]
    of = f" ({' for '.join(languages)})" if languages else ""
    return f"“{show_text(word)}”{of}"


def render_links(links: Iterable[Link]) -> list[str]:
    """Return a line for each link."""
    return [_render_link(link) for link in links]


def _render_link(link: Link) -> str:
    name = show_text(link.filename or "(gone)")
    what = _describe(link.word or "?", link.learning_language, link.native_language)
    line = f"{link.status}  {link.video_id} {name}  {link.kind} {link.id} {what}"
    others = [str(video) for video in link.videos if video != link.video_id]
    return line + (f", which also shows {', '.join(others)}" if others else "")
