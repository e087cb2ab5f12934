"""Repair a file on its way into the table; the original is only read."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.library.clips.check import FAULT, FIX, WARNING, Flaw
from server.library.clips.checking import CheckReport, check_media
from server.library.clips.repair import (
    RepairError,
    fix_clip,
    open_media,
    plan_repair,
    transcode_clip,
)
from server.library.temporary import check_room, temporary_folder

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.imports.importer import RepairPolicy


class RepairedFile(NamedTuple):
    """The file to keep, what is wrong with it still, and how it was repaired."""

    file: io.BufferedReader
    report: CheckReport
    repaired: str | None  # fixed or transcoded


def choose_repair(report: CheckReport, policy: RepairPolicy) -> str | None:
    """Return how a file is to be repaired: fixed, transcoded or not at all."""
    if not (policy.fix or policy.transcode):
        return None
    plan = plan_repair(report.flaws, transcode=policy.transcode)
    return ("fixed" if plan == FIX else "transcoded") if plan else None


@contextmanager
def repairing(
    source: io.BufferedReader,
    report: CheckReport,
    policy: RepairPolicy,
    sandbox: Sandbox,
) -> Iterator[RepairedFile]:
    """Yield the file to keep: source itself, or what was made of it until the end."""
    how = choose_repair(report, policy)
    if how is None:
        yield RepairedFile(source, report, None)
        return
    with temporary_folder() as folder:
        target = Path(folder, "repaired.mp4")
        media = open_media(source)
        failure = None
        try:
            if how == "fixed":
                fix_clip(media, report.flaws, target, sandbox)
            else:
                transcode_clip(media, target, policy.limits, sandbox)
        except RepairError as error:
            check_room(folder.parent)  # which may be all that is wrong
            failure = _note_failure(report, error)
        if failure:
            yield RepairedFile(source, failure, None)
            return
        with target.open("rb") as file:
            yield RepairedFile(
                file, check_media(open_media(file), sandbox, policy.limits), how
            )


def _note_failure(report: CheckReport, error: RepairError) -> CheckReport:
    """Return the report with a word on why the file stays as it is."""
    sentence = f"could not be repaired ({error})"
    flaw = Flaw("not-repaired", WARNING, sentence, "export it again")
    worst = [flaw for flaw in report.flaws if flaw.severity == FAULT]
    if worst:  # these reject it, so they say why
        flaw = worst[0]._replace(
            sentence=f"{worst[0].sentence}, and {sentence}",
            remedy="export it again",
            repair=None,
        )
    return report._replace(flaws=[flaw, *report.flaws])
