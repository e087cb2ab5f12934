"""Make a new clip of a part of one: copied from a key frame on, or encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import Fault
from server.library.clips.checking import check_media
from server.library.clips.repair import FIX_SECONDS, TRANSCODE_SECONDS, open_media
from server.library.clips.selftest import check_ffmpeg
from server.library.clips.thumbnail import make_thumbnail
from server.library.ffmpeg.sandbox import OverrunError, Sandbox
from server.library.imports.files import check_movie
from server.library.imports.importer import RepairPolicy
from server.library.imports.repairing import FlawFault
from server.library.imports.rows import (
    build_row,
    digest_file,
    keep_file,
    measure_size,
    read_inventory,
)
from server.library.keeping.changing import check_filename, explain_taken
from server.library.keeping.excerpt import (
    CutClip,
    Excerpt,
    choose_key,
    list_names,
    need_inside,
)
from server.library.keeping.swap import OldClip, Swap, opening_source
from server.library.temporary import temporary_folder
from server.library.words.link import find_video
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.clips.check import Limits
    from server.library.clips.repair import Media
    from server.library.imports.copy_stream import VideoRow

_OVERRUN = "FFmpeg fails, or needs more time or memory than it gets"


class _Made(NamedTuple):
    """A part that was written to a file, and where it begins and ends in the clip."""

    begin: float  # seconds
    end: float


def cut_clip(url: str, excerpt: Excerpt, limits: Limits) -> CutClip:
    """Bring a part of a video into the table as a video of its own.

    The video itself stays as it is. Fault without the video, if the part does not lie
    within it or can't be cut there without encoding, if the new clip does not pass its
    check or has the name of another, or the database refuses.
    """
    if excerpt.name is not None:
        check_filename(excerpt.name)
    with opening(url) as connection:
        with connection, connection.cursor() as cursor:
            old = OldClip(*find_video(cursor, excerpt.video))
        with (
            opening_source(connection, Swap(excerpt.video), old) as source,
            temporary_folder() as folder,
            Sandbox() as sandbox,
        ):
            check_ffmpeg(sandbox)
            target = folder / "part"
            made = _cut(open_media(source), target, old, excerpt, limits, sandbox)
            return _keep(connection, target, made, old, excerpt, limits, sandbox)


def _cut(
    media: Media,
    target: Path,
    old: OldClip,
    excerpt: Excerpt,
    limits: Limits,
    sandbox: Sandbox,
) -> _Made:
    failure, length, keys = _run(sandbox, "find_key_frames", media, FIX_SECONDS, old)
    if failure:
        raise _explain(old, failure)
    begin, end = need_inside(excerpt, old.shown, length)
    key = choose_key(keys, begin, old.shown, encode=excerpt.encode)
    if not excerpt.encode:
        return _write(sandbox, "cut", media, target, old, (key, end), FIX_SECONDS)
    # Only what is needed is decoded: it is copied from the key frame before.
    copy = target.with_name("copy")
    _write(sandbox, "cut", media, copy, old, (key, end), FIX_SECONDS)
    limit = (limits.bytes, limits.height, limits.fps)
    span = (begin - key, end - key)
    with copy.open("rb") as file:
        part = open_media(file)
        job, seconds = "cut_encoded", TRANSCODE_SECONDS
        _write(sandbox, job, part, target, old, span, seconds, limit=limit)
    return _Made(begin, end)


def _write(
    sandbox: Sandbox,
    job: str,
    media: Media,
    target: Path,
    old: OldClip,
    span: tuple[float, float],
    seconds: int,
    **more: object,
) -> _Made:
    values = {"target": str(target), "begin": span[0], "end": span[1], **more}
    failure, begin, end = _run(sandbox, job, media, seconds, old, **values)
    if failure:
        raise _explain(old, failure)
    return _Made(begin, end)


def _run(
    sandbox: Sandbox,
    job: str,
    media: Media,
    seconds: int,
    old: OldClip,
    **values: Any,
) -> Any:
    try:
        answer = sandbox.run(job, *media, seconds, **values)
    except OverrunError:
        raise Fault(f"{old.shown} can't be cut ({_OVERRUN}): make it smaller") from None
    return answer


def _explain(old: OldClip, failure: str) -> Fault:
    return Fault(f"{old.shown} can't be cut ({failure}): see bytereel check {old.id}")


def _keep(
    connection: Connection,
    target: Path,
    made: _Made,
    old: OldClip,
    excerpt: Excerpt,
    limits: Limits,
    sandbox: Sandbox,
) -> CutClip:
    """Check the new clip and insert it, unless this is a dry run."""
    shown = f"the part of {old.shown}"
    with target.open("rb") as file:
        measure_size(file, shown)
        media = open_media(file)
        report = check_media(media, sandbox, limits)
        try:
            movie = check_movie(report, shown, RepairPolicy(limits=limits))
        except FlawFault as fault:
            remedy = (
                f"see bytereel check {old.id}" if excerpt.encode else "add --encode"
            )
            raise Fault(f"{shown} {fault.flaw.sentence}: {remedy}") from fault
        names = list_names(excerpt, old, made.begin, made.end)
        row = build_row(names[0], movie, digest_file(file))
        row, known = _name(connection, row, names)
        done = CutClip(
            *("would-clip", None, row.filename, row.size, made.begin, made.end),
            *(old.id, old.filename, excerpt.encode, tuple(report.flaws)),
        )
        if known is not None:
            return done._replace(status="exists", video_id=known)
        if excerpt.dry_run:
            return done
        thumbnail = make_thumbnail(media, sandbox)
        kept = keep_file(connection, row, file, shown, lambda _: None, thumbnail)
        status = "clipped" if kept.status == "imported" else "exists"
        return done._replace(status=status, video_id=kept.video_id)


def _name(
    connection: Connection, row: VideoRow, names: list[str]
) -> tuple[VideoRow, int | None]:
    """Return the row under the first name that is free, or that has these bytes.

    Then the id of that video comes with it. Fault if all are taken.
    """
    videos = read_inventory(connection, names).videos
    for name in names:
        known = videos.get(name)
        if known is None:
            return row._replace(filename=name), None
        if known.sha256 == row.sha256:
            return row._replace(filename=name), known.video_id
    raise explain_taken(names[0])
