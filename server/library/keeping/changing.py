"""Delete and rename clips: all that is asked for in one transaction, or nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.errors import LockNotAvailable, UniqueViolation

from server.errors import Fault
from server.library.files import find_unfit, show_text
from server.library.keeping.tables import describe_tables
from server.library.report import show_bytes
from server.library.words.link import find_video
from server.library.words.showing import Showing, take_away
from server.library.words.target import LinkTarget
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


class DeletedClip(NamedTuple):
    """A clip that goes, and what showed it, each with the videos that are left."""

    status: str  # deleted or would-delete
    video_id: int
    filename: str | None
    bytes: int
    links: list[Showing]


class RenamedClip(NamedTuple):
    """A clip with another name."""

    status: str  # renamed, would-rename, or exists if that is its name
    video_id: int
    filename: str
    before: str | None


def delete_clips(
    url: str, videos: Sequence[str], *, dry_run: bool = False
) -> list[DeletedClip]:
    """Delete these videos, given by ids or names, with their links; return what went.

    Fault without one of them; then none is deleted.
    """
    with opening(url) as connection, changing(connection, dry_run=dry_run) as cursor:
        found = dict(find_video(cursor, video) for video in videos)
        done = [
            delete_clip(cursor, video_id, filename, dry_run=dry_run)
            for video_id, filename in found.items()
        ]
    return [each._replace(links=_leave_out(each.links, found)) for each in done]


def _leave_out(links: list[Showing], gone: Container[int]) -> list[Showing]:
    return [
        each._replace(videos=[video for video in each.videos if video not in gone])
        for each in links
    ]


def delete_clip(
    cursor: Cursor, video_id: int, filename: str | None, *, dry_run: bool
) -> DeletedClip:
    """Delete a video, or say what would go; its links are told as they were."""
    tables = describe_tables(cursor)
    cursor.execute(queries()["read_video_size"], {"id": video_id})
    [(size,)] = cursor.fetchall() or [(0,)]
    links: list[Showing] = []
    if tables.links and dry_run:
        links = list_showing(cursor, video_id)
    elif tables.links:
        links = take_away(cursor, LinkTarget(), video_id)
    if not dry_run:
        cursor.execute(queries()["delete_video"], {"id": video_id})
        if tables.keeps_checks:
            cursor.execute(queries()["forget_check"], {"id": video_id})
    status = "would-delete" if dry_run else "deleted"
    return DeletedClip(status, video_id, filename, size or 0, links)


def list_showing(cursor: Cursor, video_id: int) -> list[Showing]:
    """Return what shows a video, without locking it."""
    rows = read_rows(cursor, "list_showing", {"id": video_id})
    return [Showing(**row) for row in rows]


def rename_clip(
    url: str, video: str, filename: str, *, dry_run: bool = False
) -> RenamedClip:
    """Give a video, named by its id or file name, another file name.

    Fault without the video, if another one has the name, or it cannot be kept.
    """
    check_filename(filename)
    with opening(url) as connection, changing(connection, dry_run=dry_run) as cursor:
        video_id, before = find_video(cursor, video)
        if before == filename:
            return RenamedClip("exists", video_id, filename, before)
        need_free_name(cursor, filename)
        if dry_run:
            return RenamedClip("would-rename", video_id, filename, before)
        try:
            values = {"id": video_id, "filename": filename}
            cursor.execute(queries()["rename_video"], values)
        except UniqueViolation:
            raise explain_taken(filename) from None
        return RenamedClip("renamed", video_id, filename, before)


def check_filename(filename: str) -> None:
    """Raise Fault for a name that the table cannot keep, or that is none of a file."""
    shown = show_text(filename)
    if "/" in filename:
        raise Fault(f"“{shown}” is not a file name: give one without /")
    if filename in ("", ".", ".."):
        raise Fault(f"“{shown}” is not a file name: give another name")
    if reason := find_unfit(filename):
        raise Fault(f"“{shown}” has {reason}: give another name")


def need_free_name(cursor: Cursor, filename: str) -> None:
    """Raise Fault if a video has the name."""
    for row in read_rows(cursor, "list_known", {"names": [filename]}):
        raise explain_taken(row["filename"])


def explain_taken(filename: str) -> Fault:
    """Return that a name is another video's."""
    return Fault(
        f"another video has the name {show_text(filename)}: give another name, or "
        "rename or delete that video first"
    )


@contextmanager
def changing(connection: Connection, *, dry_run: bool) -> Iterator[Cursor]:
    """Yield a cursor of one transaction, in which a dry run can write nothing.

    Fault if somebody else holds what is to be changed for ten seconds.
    """
    if dry_run:
        connection.set_session(readonly=True)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(queries()["allow_long_statements"])
            cursor.execute(queries()["limit_patience"])
            yield cursor
    except LockNotAvailable as error:
        raise Fault(
            "others are changing the same videos or words, so nothing was changed: "
            "run it again when they are done"
        ) from error


def render_deleted(clip: DeletedClip) -> Iterator[str]:
    """Yield a line about a clip, and one for each link that is lost."""
    name = _show(clip.filename)
    yield f"{clip.status}  {clip.video_id} {name}  {show_bytes(clip.bytes)}"
    for each in clip.links:
        left = ", ".join(map(str, each.videos)) or "nothing"
        word = show_text(each.word or "?")
        yield f"  {each.kind} {each.id} “{word}” now shows {left}"


def render_renamed(clip: RenamedClip) -> str:
    """Return a line about a clip."""
    line = f"{clip.status}  {clip.video_id} {show_text(clip.filename)}"
    return line if clip.status == "exists" else f"{line}, before {_show(clip.before)}"


def _show(name: str | None) -> str:
    return show_text(name or "")
