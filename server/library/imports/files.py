"""Bring video files into the table: one transaction a file, in bounded memory."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from tqdm import tqdm

from server.errors import Fault
from server.library.clips.checking import CheckReport, blame_ourselves, check_media
from server.library.clips.repair import open_media
from server.library.clips.selftest import check_ffmpeg
from server.library.clips.thumbnail import make_thumbnail
from server.library.ffmpeg.memory import measure_budget, share_budget
from server.library.ffmpeg.sandbox import Sandbox, SandboxFault, explain_bug
from server.library.files import (
    check_name,
    find_files,
    measure_file,
    name_file,
    name_repaired,
    open_file,
    show_path,
    unreadable,
)
from server.library.imports.importer import (
    NO_REPAIR,
    File,
    Importer,
    RepairPolicy,
)
from server.library.imports.jobs import ImporterPool, StoppedError, silence_psycopg2
from server.library.imports.repairing import FlawFault, find_refusal, repairing
from server.library.imports.rows import (
    Imported,
    Inventory,
    KnownVideo,
    build_row,
    check_free,
    digest_file,
    explain_refusal,
    find_same,
    keep_file,
    keep_source,
    list_names,
    measure_size,
    read_inventory,
)
from server.library.report import count_noun
from server.library.temporary import FolderFull
from server.postgres.plain import connect
from server.postgres.refusals import explain

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.imports.copy_stream import VideoRow
    from server.library.mp4.movie import Movie

BATCH_GROUPS = 500  # of files whose names are asked for at once


class Offer(NamedTuple):
    """A file that is to be kept."""

    source: io.BufferedReader
    name: str
    shown: str


def import_paths(
    url: str,
    paths: Sequence[Path],
    policy: RepairPolicy = NO_REPAIR,
    *,
    jobs: int = 1,
    progress: bool | None = None,
    note_results: bool = False,
    names: Mapping[Path, str] = {},
) -> Iterator[Imported]:
    """Yield what became of each file below paths.

    Fault once the database or FFmpeg takes no more; what was done before is kept.
    Files of one name follow the first of them; else the order is that of the paths,
    however many jobs there are. The progress bar shows on a terminal, unless progress
    decides. note_results counts what becomes of the files in the database. names are
    those that files have in the table, if not their own.
    """
    files = [
        File(path, measure_file(path), names.get(path)) for path in find_files(paths)
    ]
    groups = group_files(files)
    note_results = note_results and not policy.dry_run
    jobs = max(min(jobs, len(groups)), 1)
    memory_bytes = share_budget(measure_budget(), jobs)
    sandboxes = [Sandbox(memory_bytes) for _ in range(jobs)]

    def open_importer() -> Importer:
        return Importer(_connect(url, policy), sandboxes.pop(), policy)

    with (
        silence_psycopg2(),
        closing(_connect(url, policy)) as connection,
        sandboxes[-1] as tried,
        ImporterPool(open_importer, _import, jobs, note_results=note_results) as pool,
        tqdm(
            total=sum(file.size for file in files),
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        check_ffmpeg(tried)
        orders = _list_orders(connection, groups)
        for number, done in enumerate(pool.work(orders, bar), 1):
            total = count_noun(len(files), "file")
            bar.set_postfix_str(f"{number:,} of {total}", refresh=False)
            bar.clear()  # the caller may print
            yield done


def group_files(files: Iterable[File]) -> list[list[File]]:
    """Return the files that the table may know by one name together, in order."""
    groups: dict[str, list[File]] = {}
    for file in files:
        groups.setdefault(name_repaired(file.name), []).append(file)
    return list(groups.values())


def _connect(url: str, policy: RepairPolicy) -> Connection:
    connection = connect(url)
    if policy.dry_run:
        connection.set_session(readonly=True)
    return connection


def _list_orders(
    connection: Connection, groups: list[list[File]]
) -> Iterator[tuple[list[File], Inventory]]:
    """Yield the groups, each with what the table has under their names."""
    for start in range(0, len(groups), BATCH_GROUPS):
        batch = groups[start : start + BATCH_GROUPS]
        names = {file.name for group in batch for file in group}
        try:
            inventory = read_inventory(connection, list_names(names))
        except psycopg2.Error as error:
            raise explain(connection, error) from error
        for group in batch:
            yield group, inventory


def _import(
    importer: Importer,
    file: File,
    inventory: Inventory,
    progress: Callable[[int], object],
) -> Imported:
    return import_file(importer, file.path, progress, inventory, file.known_as)


def import_file(
    importer: Importer,
    path: Path,
    progress: Callable[[int], object],
    inventory: Inventory | None = None,
    name: str | None = None,
) -> Imported:
    """Bring one file into the table; Fault if the database has a problem.

    progress is called with each number of bytes that was sent; inventory is what the
    table has, if that was read; name is that in the table, if not that of the file.
    """
    file, shown, name = name_file(path), show_path(path), name or path.name
    try:
        check_name(path, shown)
        with open_file(path) as source:
            offer = Offer(source, name, shown)
            names = list_names([name])
            inventory = inventory or read_inventory(importer.connection, names)
            done = _import_offer(importer, offer, inventory, progress)
            return done._replace(file=file)
    except StoppedError:
        raise
    except FolderFull as fault:
        reason = f"{shown} was not repaired, for {fault}"
    except SandboxFault as fault:
        reason = blame_ourselves(fault).tell(shown)
    except Fault as fault:
        reason = str(fault)
    except OSError as error:
        reason = str(unreadable(shown, error))
    except psycopg2.Error as error:
        reason = explain_refusal(importer.connection, error, shown)
    except Exception as error:  # of ours: the next file is taken all the same
        reason = blame_ourselves(explain_bug(error)).tell(shown)
    return Imported(file, "rejected", error=reason)


def import_open(
    importer: Importer,
    source: io.BufferedReader,
    name: str,
    shown: str,
    progress: Callable[[int], object],
) -> Imported:
    """Find the file in the table, or check it, repair it if need be, and keep it.

    Fault if it is not to be kept; psycopg2.Error and OSError as they come.
    """
    inventory = read_inventory(importer.connection, list_names([name]))
    return _import_offer(importer, Offer(source, name, shown), inventory, progress)


def _import_offer(
    importer: Importer,
    offer: Offer,
    inventory: Inventory,
    progress: Callable[[int], object],
) -> Imported:
    source, name, shown = offer
    _, sandbox, policy = importer
    measure_size(source, shown)
    digest = digest_file(source)
    if found := find_same(inventory, name, name_repaired(name), digest):
        known_name, known = found
        inventory.videos[known_name] = known._replace(file=shown)
        return known.tell(shown)
    report = check_media(open_media(source), sandbox, policy.limits)
    with repairing(source, report, policy, sandbox) as (file, checked, how):
        movie = check_movie(checked, shown, policy)
        row = build_row(name, movie, digest)
        if how:
            before = digest if inventory.keeps_source else None
            row = build_row(name_repaired(name), movie, digest_file(file), before)
        if policy.dry_run:
            done = _foresee(row, shown, inventory)
        else:
            levels = policy.pick_levels(movie)
            done = _keep(importer, row, file, shown, inventory, progress, levels)
        return done._replace(flaws=tuple(checked.flaws), repaired=how)


def check_movie(report: CheckReport, shown: str, policy: RepairPolicy) -> Movie:
    """Return what a file's boxes say; Fault if it must not be kept.

    policy is what was done about its flaws.
    """
    if refusal := find_refusal(report.flaws, policy):
        raise FlawFault(shown, refusal)
    if report.movie is None:  # for the types: what has no boxes has a fault
        raise Fault(f"{shown} is not a video: import an MP4 video")
    return report.movie


def _foresee(row: VideoRow, shown: str, inventory: Inventory) -> Imported:
    """Return what keeping the row would come to."""
    known = inventory.videos.get(row.filename)
    if known and known.sha256 == row.sha256:
        return known.tell(shown)
    check_free(inventory, row.filename, shown)
    numbers = row.size, row.duration_seconds
    inventory.videos[row.filename] = KnownVideo(
        row.sha256, row.source_sha256, None, *numbers, file=shown
    )
    done = Imported(shown, "would-import", None, *numbers)
    return done._replace(digests=row.digests)


def _keep(
    importer: Importer,
    row: VideoRow,
    file: io.BufferedReader,
    shown: str,
    inventory: Inventory,
    progress: Callable[[int], object],
    levels: Sequence[int],
) -> Imported:
    """Insert the row with its thumbnail, unless its bytes are there already."""
    known = inventory.videos.get(row.filename)
    if known and known.sha256 == row.sha256:
        if row.source_sha256:
            keep_source(importer.connection, row)
        return known.tell(shown)
    check_free(inventory, row.filename, shown)
    thumbnail = None
    if inventory.keeps_thumbnails:
        thumbnail = make_thumbnail(open_media(file), importer.sandbox)
    wanted = levels if inventory.keeps_levels else ()
    done = keep_file(importer.connection, row, file, shown, progress, thumbnail, wanted)
    numbers = done.video_id, done.bytes, done.duration_seconds
    inventory.videos[row.filename] = KnownVideo(
        row.sha256, row.source_sha256, *numbers, file=shown
    )
    return done
