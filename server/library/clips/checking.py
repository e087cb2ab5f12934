"""Read what is to be checked: files, and videos of the table by ranges."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.errors import Fault
from server.library.clips.check import FAULT, Flaw, find_flaws
from server.library.clips.repair import Media, open_media
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import PROBE_SECONDS, OverrunError, SandboxFault
from server.library.files import FileFault, open_file, show_path, show_text
from server.library.mp4.movie import read_movie
from server.library.words.link import find_video
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.clips.check import Limits
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.mp4.movie import Movie

_WINDOW_BYTES = 1 << 18


class CheckReport(NamedTuple):
    """What is known of a clip, and what is wrong with it."""

    flaws: list[Flaw]
    movie: Movie | None = None


def check_media(
    media: Media, sandbox: Sandbox, limits: Limits, *, whole: bool = True
) -> CheckReport:
    """Return what is wrong with a clip; whole has all its samples read."""
    movie = read_movie(media.read, media.size)
    if movie and (movie.malformed or not movie.has_index):
        return CheckReport(find_flaws(movie, ProbeResult(), limits), movie)
    try:
        probed = ProbeResult(*sandbox.run("probe", *media, PROBE_SECONDS, whole=whole))
    except OverrunError:
        probed = ProbeResult(
            broken="FFmpeg fails, or needs more time or memory than it gets"
        )
    except SandboxFault as fault:
        sentence = f"could not be checked, for bytereel itself failed ({fault.failure})"
        remedy = "report it; the file may be fine"
        return CheckReport([Flaw("not-checked", FAULT, sentence, remedy)], movie)
    return CheckReport(find_flaws(movie, probed, limits), movie)


def check_files(
    paths: Iterable[Path], sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield each file's name and what is wrong with it."""
    for path in paths:
        try:
            with open_file(path) as file:
                flaws = check_media(open_media(file), sandbox, limits).flaws
        except FileFault as fault:
            flaws = [Flaw("unreadable", FAULT, fault.sentence, fault.remedy)]
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            flaws = [Flaw("unreadable", FAULT, reason, "mend that and check it again")]
        yield show_path(path), flaws


def check_videos(
    url: str, names: Iterable[str], sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield the same of videos in the table, by id or file name; not read as a whole.

    Fault if the database cannot be asked.
    """
    with closing(connect(url)) as connection:
        connection.autocommit = True
        for name in names:
            try:
                video_id, filename, media = _find_media(connection, name)
                report = check_media(media, sandbox, limits, whole=False)
                yield f"video {video_id} ({show_text(filename)})", report.flaws
            except Fault:
                sentence, remedy = "is no file and no video", "check the name"
                yield show_text(name), [Flaw("unreadable", FAULT, sentence, remedy)]
            except psycopg2.Error as error:
                raise Fault(
                    f"the database cannot be asked about videos ({first_line(error)}): "
                    "mend that, then check again"
                ) from error


def _find_media(connection: Connection, name: str) -> tuple[int, str, Media]:
    with connection.cursor() as cursor:
        video_id, filename = find_video(cursor, name)
        cursor.execute(queries()["read_video_size"], {"id": video_id})
        [(size,)] = cursor.fetchall() or [(0,)]
    return video_id, filename or "", _open_video(connection, video_id, size)


def _open_video(connection: Connection, video_id: int, size: int) -> Media:
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


def is_file(name: str) -> bool:
    """Report whether a name is meant as that of a file, even of one that is missing."""
    return os.path.lexists(name) or "/" in name
