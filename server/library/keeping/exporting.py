"""Write the library into a folder that import reads back: clips, words and links."""

from __future__ import annotations

import fcntl
import os
from contextlib import closing, contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from server.errors import Fault
from server.library.files import find_files, show_path, show_text
from server.library.imports.manifest import (
    DRAFT_NAME,
    MANIFEST_NAME,
    ExportedClip,
    ExportedDefinition,
    ExportedQuestion,
    Manifest,
    read_manifest,
    render_manifest,
)
from server.library.keeping.caption_files import CaptionWriter
from server.library.keeping.clip_files import (
    PART,
    ClipWriter,
    ExportedFile,
    explain_unwritable,
)
from server.library.keeping.file_names import name_file
from server.library.keeping.tables import describe_tables
from server.library.report import count_noun
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.postgres.rows import Row

_NAMED_STRANGERS = 10


class Library(NamedTuple):
    """What is to be exported; the clips by their ids."""

    clips: dict[int, ExportedClip]
    definitions: list[ExportedDefinition]


def export_library(
    url: str, folder: Path, *, dry_run: bool = False, progress: bool | None = None
) -> Iterator[ExportedFile]:
    """Yield what becomes of each clip, the lowest id first, then write the manifest.

    A file that has the bytes of its clip already stays, so an interrupted export goes
    on; one with other bytes stops it, unless an earlier export wrote it. Files appear
    whole or not at all. Fault if the folder cannot be written, or the database goes
    away. The progress bar shows on a terminal; True and False decide otherwise.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise Fault(f"{show_path(folder)} is a file: name a folder to write to")
    with opening(url) as connection:
        library = read_library(connection)
        before = read_manifest(folder)
        written = {clip.file: clip.sha256 for clip in before.clips} if before else {}
        captioned = {
            each.file: each.sha256
            for clip in (before.clips if before else ())
            for each in clip.captions or ()
        }
        with (
            _drafting(folder, dry_run=dry_run) as finish,
            tqdm(
                total=sum(clip.bytes or 0 for clip in library.clips.values()),
                unit="B",
                unit_scale=True,
                disable=None if progress is None else not progress,
            ) as bar,
        ):
            writer = ClipWriter(
                connection, folder, written, bar.update, dry_run=dry_run
            )
            captions = CaptionWriter(connection, folder, captioned, dry_run=dry_run)
            for video_id, clip in list(library.clips.items()):
                end = bar.n + (clip.bytes or 0)
                done, digest = writer.write(video_id, clip)
                bar.update(end - bar.n)
                bar.clear()  # the caller may print
                if done.status == "gone":
                    del library.clips[video_id]
                else:
                    library.clips[video_id] = clip._replace(
                        sha256=clip.sha256 or digest,
                        captions=captions.write(video_id, clip.file),
                    )
                yield done
            finish(build_manifest(library))


def read_library(connection: Connection) -> Library:
    """Return all that is to be exported, as it is at one moment."""
    connection.set_session(isolation_level="REPEATABLE READ")
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["allow_long_statements"])
        has_links = describe_tables(cursor).links
        rows = read_rows(cursor, "list_exportable")
        taken: set[str] = set()
        clips = {}
        for row in rows:
            video_id = row.pop("id")
            file = name_file(row["filename"], video_id, taken)
            clips[video_id] = ExportedClip(file=file, **row)
        definitions = _read_definitions(cursor, clips) if has_links else []
    connection.set_session(isolation_level="READ COMMITTED")
    return Library(clips, definitions)


def _read_definitions(
    cursor: Cursor, clips: dict[int, ExportedClip]
) -> list[ExportedDefinition]:
    def pop_files(row: Row) -> list[str]:
        return [clips[video].file for video in row.pop("videos") if video in clips]

    questions: dict[int, list[ExportedQuestion]] = {}
    for row in read_rows(cursor, "list_exportable_questions"):
        own = questions.setdefault(row.pop("definition_id"), [])
        own.append(ExportedQuestion(clips=pop_files(row), **row))
    return [
        ExportedDefinition(
            clips=pop_files(row), questions=questions.get(row.pop("id"), []), **row
        )
        for row in read_rows(cursor, "list_exportable_definitions")
    ]


def build_manifest(library: Library) -> Manifest:
    """Return the manifest, without links to clips that are gone."""
    clips = list(library.clips.values())
    files = {clip.file for clip in clips}

    def keep(names: list[str]) -> list[str]:
        return [name for name in names if name in files]

    definitions = [
        each._replace(
            clips=keep(each.clips),
            questions=[one._replace(clips=keep(one.clips)) for one in each.questions],
        )
        for each in library.definitions
    ]
    return Manifest(clips, definitions)


@contextmanager
def _drafting(folder: Path, *, dry_run: bool) -> Iterator[Callable[[Manifest], object]]:
    """Yield what writes the manifest; until then the folder tells that it is not whole.

    Fault if another export is at work there.
    """
    if dry_run:
        _need_writable(folder)
        yield lambda _: None
        return
    draft = folder / DRAFT_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = draft.open("a", encoding="utf-8", newline="")
    except OSError as error:
        raise explain_unwritable(folder, error) from error
    with closing(file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Fault(
                f"another export is writing to {show_path(folder)}: wait until it ends"
            ) from error
        for part in folder.glob(PART.format("*")):  # of an export that was killed
            part.unlink(missing_ok=True)

        def finish(manifest: Manifest) -> None:
            try:
                file.truncate(0)
                file.write(render_manifest(manifest))
                file.flush()
                os.fsync(file.fileno())
                draft.replace(folder / MANIFEST_NAME)
            except OSError as error:
                raise explain_unwritable(draft, error) from error

        yield finish


def _need_writable(folder: Path) -> None:
    """Raise Fault if nothing can be written into a folder, or where it would be."""
    parents = folder.absolute().parents
    there = next(each for each in (folder, *parents) if os.path.exists(each))
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise explain_unwritable(folder, error) from error


def list_strangers(folder: Path, files: Iterable[str]) -> list[str]:
    """Return the videos in a folder besides these files of an export."""
    known = {folder / file for file in files}
    found = set(find_files([folder])) - known - {folder}
    return sorted(show_path(path) for path in found)


def render_exported(done: ExportedFile) -> str:
    """Return a line about a clip."""
    line = f"{done.status}  {done.video_id} {show_text(done.filename)}"
    if done.error:
        return f"{line}: {done.error}"
    return line if done.file == done.filename else f"{line}, as {show_text(done.file)}"


def render_strangers(paths: Sequence[str]) -> Iterator[str]:
    """Yield what is to be done about videos that are not of the export, and which."""
    if not paths:
        return
    are, them = ("is", "it") if len(paths) == 1 else ("are", "them")
    yield (
        f"{count_noun(len(paths), 'video')} there {are} not in the library; import "
        f"would take {them}, so move {them} away:"
    )
    yield from (f"  {path}" for path in paths[:_NAMED_STRANGERS])
    if len(paths) > _NAMED_STRANGERS:
        yield f"  … and {len(paths) - _NAMED_STRANGERS:,} more"
