"""Bring video files into the table: one transaction a file, in bounded memory."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import closing, contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from tqdm import tqdm

from server.connect import connect
from server.errors import Fault
from server.library.check import FAULT, FIX, WARNING, Flaw, Limits
from server.library.checking import Report, examine
from server.library.files import (
    check_name,
    find_files,
    open_file,
    show_path,
    unreadable,
)
from server.library.keeping import (
    Imported,
    build_row,
    digest_file,
    explain_refusal,
    find_same,
    keep_file,
    measure_size,
)
from server.library.repair import (
    RepairError,
    fix,
    open_media,
    plan_repair,
    transcode,
)
from server.library.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg2.extensions import connection as Connection


class Care(NamedTuple):
    """What is done about flaws."""

    fix: bool = False  # without encoding anew
    transcode: bool = False  # also by encoding anew, where that is needed
    limits: Limits = Limits()


AS_IT_IS = Care()


class Desk(NamedTuple):
    """What importing one file after the other needs; for several at once have several.

    The connection is in no transaction and speaks UTF8.
    """

    connection: Connection
    sandbox: Sandbox
    care: Care = AS_IT_IS


def import_paths(
    url: str,
    paths: Sequence[Path],
    care: Care = AS_IT_IS,
    *,
    progress: bool | None = None,
) -> Iterator[Imported]:
    """Yield what became of each file below paths; Fault if none can be imported.

    The progress bar shows on a terminal; True and False decide otherwise.
    """
    files = [(path, _measure(path)) for path in find_files(paths)]
    with (
        closing(connect(url)) as connection,
        Sandbox() as sandbox,
        tqdm(
            total=sum(size for _, size in files),
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        desk = Desk(connection, sandbox, care)
        for path, size in files:
            end = bar.n + size
            # psycopg2 prints a traceback of its own if the server closes down.
            with redirect_stderr(io.StringIO()):
                done = import_file(desk, path, bar.update)
            bar.update(end - bar.n)
            bar.clear()  # the caller may print
            yield done


def _measure(path: Path) -> int:
    """Return the bytes of a file, 0 if that cannot be said."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def import_file(desk: Desk, path: Path, progress: Callable[[int], object]) -> Imported:
    """Bring one file into the table; Fault if the database has a problem.

    Progress hears of bytes sent.
    """
    file = os.fsencode(path).decode(errors="backslashreplace")
    shown = show_path(path)
    try:
        check_name(path, shown)
        with open_file(path) as source:
            done = _import_open(desk, source, path.name, shown, progress)
            return done._replace(file=file)
    except Fault as fault:
        reason = str(fault)
    except OSError as error:
        reason = str(unreadable(shown, error))
    except psycopg2.Error as error:
        reason = explain_refusal(desk.connection, error, shown)
    return Imported(file, "rejected", error=reason)


def _import_open(
    desk: Desk,
    source: io.BufferedReader,
    name: str,
    shown: str,
    progress: Callable[[int], object],
) -> Imported:
    """Find the file in the table, or check it, repair it if need be, and keep it."""
    connection, sandbox, care = desk
    measure_size(source, shown)
    digest = digest_file(source)
    known = find_same(connection, name, digest, shown)
    if known:
        return known
    report = examine(open_media(source), sandbox, care.limits)
    with _repaired(desk, source, report) as (file, checked, how):
        for flaw in checked.flaws:
            if flaw.severity == FAULT:
                raise Fault(flaw.tell(shown))
        if checked.movie is None:  # for the types: what has no boxes has a fault
            raise Fault(f"{shown} is not a video: import an MP4 video")
        if how:
            name, digest = str(Path(name).with_suffix(".mp4")), digest_file(file)
        row = build_row(name, checked.movie, digest)
        done = keep_file(connection, row, file, shown, progress)
        return done._replace(flaws=tuple(checked.flaws), repaired=how)


@contextmanager
def _repaired(
    desk: Desk, source: io.BufferedReader, report: Report
) -> Iterator[tuple[io.BufferedReader, Report, str | None]]:
    """Yield the file to keep, what is wrong with it still, and how it was repaired."""
    _, sandbox, care = desk
    allowed = care.fix or care.transcode
    plan = plan_repair(report.flaws, transcode=care.transcode) if allowed else ""
    if not plan:
        yield source, report, None
        return
    with tempfile.TemporaryDirectory(prefix="bytereel-") as folder:
        target = Path(folder, "repaired.mp4")
        media = open_media(source)
        failure = None
        try:
            if plan == FIX:
                fix(media, report.flaws, target, sandbox)
            else:
                transcode(media, target, care.limits, sandbox)
        except RepairError as error:
            failure = _note_failure(report, error)
        if failure:
            yield source, failure, None
            return
        with target.open("rb") as file:
            checked = examine(open_media(file), sandbox, care.limits)
            yield file, checked, "fixed" if plan == FIX else "transcoded"


def _note_failure(report: Report, error: RepairError) -> Report:
    """Return the report with a word on why the file stays as it is."""
    sentence = f"could not be repaired ({error})"
    flaw = Flaw("not-repaired", WARNING, sentence, "export it again")
    worst = [flaw for flaw in report.flaws if flaw.severity == FAULT]
    if worst:  # these reject it, so they say why
        flaw = worst[0]._replace(
            sentence=f"{worst[0].sentence}, and {sentence}", remedy="export it again"
        )
    return report._replace(flaws=[flaw, *report.flaws])
