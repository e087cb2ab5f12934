"""Make the previews that lists and scrub bars show, before anybody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import ForeignKeyViolation

from server.library.clips.previews import (
    ANIMATION,
    STORYBOARD,
    MadePreview,
    NoPreview,
    PreviewKey,
    make_preview,
    save_preview,
)
from server.library.clips.stored import open_video
from server.library.clips.storyboard import LEAST_SECONDS
from server.library.ffmpeg.sandbox import Sandbox, SandboxFault
from server.library.files import show_text
from server.library.report import show_bytes
from server.library.words.link import find_video
from server.postgres.plain import first_line
from server.postgres.refusals import is_damage, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection as Connection

    from server.library.clips.previews import Kind
    from server.postgres.rows import Row


class PreviewResult(NamedTuple):
    """What became of a preview of a video."""

    status: str  # made, exists, failed, or gone with its video
    video_id: int
    filename: str | None
    kind: Kind
    bytes: int | None = None
    error: str | None = None


def make_previews(
    url: str, videos: Sequence[str] = (), *, again: bool = False
) -> Iterator[PreviewResult]:
    """Yield what becomes of the previews of these videos, or of all that lack one.

    videos are ids or file names. again also makes anew those that are there. Fault if
    there is no such video, or the database refuses.
    """
    with opening(url) as connection, Sandbox() as sandbox:
        connection.autocommit = True
        with connection.cursor() as cursor:
            ids = [find_video(cursor, video)[0] for video in videos] or None
            least = round(LEAST_SECONDS)
            values = {"ids": ids, "again": again, "least_seconds": least}
            rows = read_rows(cursor, "list_previewable", values)
        for row in rows:
            for kind, exists in _list_kinds(row):
                key = PreviewKey(row["id"], kind)
                done = PreviewResult("exists", *key[:1], row["filename"], kind)
                if again or not exists:
                    done = _make(connection, sandbox, row["size"] or 0, key, done)
                if done.status != "gone":
                    yield done


def _list_kinds(row: Row) -> Iterator[tuple[Kind, bool]]:
    """Yield the kinds that a video may have, and whether it has them."""
    yield ANIMATION, row["animated"]
    if row["tiled"]:
        yield STORYBOARD, row["storyboarded"]


def _make(
    connection: Connection,
    sandbox: Sandbox,
    size: int,
    key: PreviewKey,
    done: PreviewResult,
) -> PreviewResult:
    """Make and keep one preview, in place of the one that may be there."""
    try:
        media = open_video(connection, key.video_id, size)
        made: MadePreview = make_preview(media, sandbox, key)
        with connection.cursor() as cursor:
            save_preview(cursor, key, made, again=True)
    except (NoPreview, SandboxFault) as reason:
        return done._replace(status="failed", error=str(reason).removesuffix("."))
    except ForeignKeyViolation:
        return done._replace(status="gone")
    except psycopg2.Error as error:
        if not is_damage(error) or connection.closed:
            raise
        return done._replace(status="failed", error=first_line(error))
    return done._replace(status="made", bytes=len(made.image))


def render_preview_result(row: PreviewResult) -> str:
    """Return a line about a preview of a video."""
    line = f"{row.status}  {row.video_id} {show_text(row.filename or '')}: {row.kind}"
    if row.bytes is not None:
        return f"{line}, {show_bytes(row.bytes)}"
    return f"{line}: {row.error}" if row.error else line
