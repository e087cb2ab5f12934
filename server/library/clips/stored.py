"""Videos of the table, read by ranges: what check and thumbnails need of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2

from server.errors import Fault
from server.library.clips.check import FAULT, Flaw, name_stored_remedy
from server.library.clips.checking import check_media
from server.library.clips.repair import Media
from server.library.files import show_text
from server.library.words.link import find_video
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.clips.check import Limits
    from server.library.ffmpeg.sandbox import Sandbox

_WINDOW_BYTES = 1 << 18
_SAVED_BYTES = 1 << 20  # at once


def check_videos(
    url: str, names: Iterable[str], sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield each video's name and what is wrong with it; it is not read as a whole.

    A video is named by its id or file name.

    Fault if the database cannot be asked.
    """
    with closing(connect(url)) as connection:
        connection.autocommit = True
        for name in names:
            try:
                video_id, filename, media = _find_media(connection, name)
                report = check_media(media, sandbox, limits, whole=False)
                flaws = [name_stored_remedy(flaw, video_id) for flaw in report.flaws]
                yield f"video {video_id} ({show_text(filename)})", flaws
            except Fault:
                sentence, remedy = "is neither a file nor a video", "check the name"
                yield show_text(name), [Flaw("unreadable", FAULT, sentence, remedy)]
            except psycopg2.Error as error:
                raise Fault(
                    f"cannot look up videos in the database ({first_line(error)}): "
                    "fix that, then check again"
                ) from error


def _find_media(connection: Connection, name: str) -> tuple[int, str, Media]:
    with connection.cursor() as cursor:
        video_id, filename = find_video(cursor, name)
        cursor.execute(queries()["read_video_size"], {"id": video_id})
        [(size,)] = cursor.fetchall() or [(0,)]
    return video_id, filename or "", open_video(connection, video_id, size)


def save_video(connection: Connection, video_id: int, path: Path) -> None:
    """Write the bytes of a video into a new file, in bounded memory."""
    with connection, connection.cursor() as cursor, path.open("wb") as file:
        cursor.execute(queries()["allow_long_statements"])
        while True:
            asked = {"id": video_id, "start": file.tell(), "length": _SAVED_BYTES}
            cursor.execute(queries()["read_video_piece"], asked)
            piece = bytes((cursor.fetchone() or (b"",))[0] or b"")
            if not piece:
                return
            file.write(piece)


def open_video(connection: Connection, video_id: int, size: int) -> Media:
    """Return a video's bytes, of which only what is read is fetched, and around it."""
    held_at, held = 0, b""

    def read(start: int, length: int) -> bytes:
        nonlocal held_at, held
        length = max(min(length, size - start), 0)
        if not held_at <= start <= start + length <= held_at + len(held) and length:
            asked = {"id": video_id, "start": start}
            asked["length"] = max(length, _WINDOW_BYTES)
            with connection.cursor() as cursor:
                cursor.execute(queries()["read_video_piece"], asked)
                [held_at, held] = start, bytes((cursor.fetchone() or (b"",))[0])
        return held[start - held_at :][:length]

    return Media(read, size)
