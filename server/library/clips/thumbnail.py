"""A picture of each video, made once and kept beside it."""

from __future__ import annotations

from base64 import b64decode
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import ForeignKeyViolation

from server.library.clips.stored import open_video
from server.library.ffmpeg.sandbox import OverrunError, Sandbox, SandboxFault
from server.library.files import show_text
from server.library.report import show_bytes
from server.library.words.link import find_video
from server.postgres.plain import first_line
from server.postgres.queries import queries
from server.postgres.refusals import is_damage, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.clips.repair import Media

THUMBNAIL_SECONDS = 10
IMAGE_MAX = 60_000  # bytes
MIME_TYPE = "image/jpeg"
_JPEG_SIDE = 65_535  # the most pixels (ISO/IEC 10918-1, B.2.2)
_JPEG = b"\xff\xd8\xff"  # how each begins


class MadeThumbnail(NamedTuple):
    """A picture as it is kept."""

    mime_type: str
    width: int  # pixels
    height: int
    image: bytes


class ThumbnailResult(NamedTuple):
    """What became of the picture of a video."""

    status: str  # made, exists, failed, or gone with its video
    video_id: int
    filename: str | None
    width: int | None = None  # pixels
    height: int | None = None
    bytes: int | None = None
    error: str | None = None


def make_thumbnail(media: Media, sandbox: Sandbox) -> MadeThumbnail | None:
    """Return a picture of the clip; None if there is none.

    SandboxFault if that has nothing to do with the clip.
    """
    try:
        answer = sandbox.run("thumbnail", *media, THUMBNAIL_SECONDS, most=IMAGE_MAX)
        return parse_answer(answer)
    except (OverrunError, ValueError):  # the latter if its answer is no JSON
        return None


def parse_answer(answer: object) -> MadeThumbnail | None:
    """Return the picture that came from the sandbox, of which anything might come."""
    match answer:
        case [int(width), int(height), str(text)] if (
            0 < width <= _JPEG_SIDE and 0 < height <= _JPEG_SIDE
        ):
            with suppress(ValueError):
                image = b64decode(text, validate=True)
                if image.startswith(_JPEG) and len(image) <= IMAGE_MAX:
                    return MadeThumbnail(MIME_TYPE, width, height, image)
    return None


def save_thumbnail(
    cursor: Cursor, video_id: int, thumbnail: MadeThumbnail, *, again: bool = False
) -> None:
    """Keep a picture; one that is there stays, unless this is made again."""
    values = {"video_id": video_id, "again": again, **thumbnail._asdict()}
    cursor.execute(queries()["save_thumbnail"], values)


def make_thumbnails(
    url: str, videos: Sequence[str] = (), *, again: bool = False
) -> Iterator[ThumbnailResult]:
    """Yield what becomes of the pictures of these videos, or of all that lack one.

    videos are ids or file names. again also makes anew those that are there. Fault if
    there is no such video, or the database refuses.
    """
    with opening(url) as connection, Sandbox() as sandbox:
        connection.autocommit = True
        with connection.cursor() as cursor:
            ids = [find_video(cursor, video)[0] for video in videos] or None
            values = {"ids": ids, "again": again}
            rows = read_rows(cursor, "list_picturable", values)
        for row in rows:
            if row["has_thumbnail"] and not again:
                yield ThumbnailResult("exists", row["id"], row["filename"])
                continue
            media = open_video(connection, row["id"], row["size"] or 0)
            done = _picture(connection, sandbox, media, row["id"])
            if done.status != "gone":
                yield done._replace(filename=row["filename"])


def _picture(
    connection: Connection, sandbox: Sandbox, media: Media, video_id: int
) -> ThumbnailResult:
    """Make and keep one picture, in place of the one that may be there."""
    try:
        thumbnail = make_thumbnail(media, sandbox)
        if thumbnail is None and not media.read(0, 1):
            return ThumbnailResult("gone", video_id, None)
        if thumbnail is None:
            why = "FFmpeg finds no picture in it: see bytereel check"
            return ThumbnailResult("failed", video_id, None, error=why)
        with connection.cursor() as cursor:
            save_thumbnail(cursor, video_id, thumbnail, again=True)
    except SandboxFault as fault:
        return ThumbnailResult("failed", video_id, None, error=str(fault))
    except ForeignKeyViolation:
        return ThumbnailResult("gone", video_id, None)
    except psycopg2.Error as error:
        if not is_damage(error) or connection.closed:
            raise
        return ThumbnailResult("failed", video_id, None, error=first_line(error))
    _, width, height, image = thumbnail
    return ThumbnailResult("made", video_id, None, width, height, len(image))


def render_thumbnail_result(row: ThumbnailResult) -> str:
    """Return a line about the picture of a video."""
    line = f"{row.status}  {row.video_id} {show_text(row.filename or '')}"
    if row.bytes is not None:
        return f"{line}: {row.width} x {row.height}, {show_bytes(row.bytes)}"
    return f"{line}: {row.error}" if row.error else line
