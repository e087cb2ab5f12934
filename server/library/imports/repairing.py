"""Repair a file on its way into the table; the original is only read."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.clips.check import (
    EXPORT,
    FAULT,
    FIX,
    NOTE,
    TRANSCODE,
    WARNING,
    Flaw,
    repairable,
)
from server.library.clips.checking import CheckReport, check_media
from server.library.clips.repair import (
    DAMAGE,
    EDITED,
    METHODS,
    OF_SOUND,
    SHIFT_SECONDS,
    SOUND,
    Method,
    RepairError,
    choose_method,
    fix_clip,
    open_media,
    transcode_clip,
    transcode_sound,
)
from server.library.temporary import check_room, temporary_folder

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    from server.library.clips.check import Repair
    from server.library.ffmpeg.damage import Damage
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.imports.importer import RepairPolicy

_MUCH = 0.9  # of the time without a key frame
_EXPORT_AGAIN = "export it again"
_HARDEST = (None, TRANSCODE, FIX)
NOT_REPAIRED = "not-repaired"  # the flaw of a file that stays as it is


class RepairedFile(NamedTuple):
    """The file to keep, what is wrong with it still, and how it was repaired."""

    file: io.BufferedReader
    report: CheckReport
    repaired: str | None  # fixed or transcoded


def _choose(flaws: Sequence[Flaw], policy: RepairPolicy) -> Method | None:
    if not (policy.fix or policy.transcode):
        return None
    return choose_method(
        flaws, transcode=policy.transcode, accept_damage=policy.accept_damage
    )


@contextmanager
def repairing(
    source: io.BufferedReader,
    report: CheckReport,
    policy: RepairPolicy,
    sandbox: Sandbox,
) -> Iterator[RepairedFile]:
    """Yield the file to keep: source itself, or what was made of it until the end."""
    if _choose(report.flaws, policy) is None:
        yield RepairedFile(source, report, None)
        return
    with temporary_folder() as folder, ExitStack() as use:
        steps = _Steps(RepairedFile(source, report, None), policy, sandbox)
        while method := steps.choose():
            steps.take(method, Path(folder, f"{method}.mp4"), use)
        yield steps.finish()


class _Steps:
    """Repairs a file by the least that helps, and by more where that is not enough."""

    def __init__(
        self, kept: RepairedFile, policy: RepairPolicy, sandbox: Sandbox
    ) -> None:
        self._kept, self._policy, self._sandbox = kept, policy, sandbox
        self._left: list[Method] = list(METHODS if policy.transcode else METHODS[:1])
        self._error: RepairError | None = None
        self._damage: tuple[Damage, ...] = ()

    def choose(self) -> Method | None:
        """Return what to do next; each only once, and nothing less after more."""
        method = _choose(self._kept.report.flaws, self._policy)
        if method is None or not self._left:
            return None
        if method == TRANSCODE and _is_sound_shifted(self._kept.report):
            method = SOUND
        if method not in self._left:  # it did not help
            late = SOUND in self._left and _is_sound_shifted(self._kept.report)
            method = SOUND if late else self._left[-1]
        self._left = self._left[self._left.index(method) + 1 :]
        return method

    def take(self, method: Method, target: Path, opened: ExitStack) -> None:
        """Make a new file and go on with it, if it is better."""
        media, policy = open_media(self._kept.file), self._policy
        try:
            if method == FIX:
                flaws = self._kept.report.flaws
                damage = fix_clip(media, flaws, target, self._sandbox)
            else:
                encode = transcode_sound if method == SOUND else transcode_clip
                damage = encode(
                    media,
                    target,
                    policy.limits,
                    self._sandbox,
                    accept_damage=policy.accept_damage,
                )
            file = opened.enter_context(target.open("rb"))
            report = check_media(open_media(file), self._sandbox, policy.limits)
            self._compare(report)
        except RepairError as error:
            check_room(target.parents[1])  # which may be all that is wrong
            self._error = error
            return
        how = "fixed" if method == FIX and not self._kept.repaired else "transcoded"
        self._kept, self._error = RepairedFile(file, report, how), None
        self._damage += damage

    def _compare(self, after: CheckReport) -> None:
        """Raise RepairError if nothing is better now, or it would be rejected now."""
        before = self._kept.report
        fault = next((flaw for flaw in after.flaws if flaw.severity == FAULT), None)
        if fault and all(flaw.severity != FAULT for flaw in before.flaws):
            raise RepairError(f"what came of it {fault.sentence}")
        better = _measure_gap(after) < _measure_gap(before) * _MUCH
        if _find_codes(after.flaws) >= _find_codes(before.flaws) and not better:
            raise RepairError("what came of it would be no better")

    def finish(self) -> RepairedFile:
        """Return the file to keep, with a word on what failed and on what was lost."""
        kept = self._kept
        report = kept.report
        if self._error:
            more: Repair | None = None if self._policy.transcode else TRANSCODE
            if more:
                report = report._replace(flaws=[*map(_name_next, report.flaws)])
            report = _note_failure(report, self._error, more)
        lost = [_note_loss(damage) for damage in self._damage]
        return kept._replace(report=report._replace(flaws=[*lost, *report.flaws]))


class FlawFault(Fault):
    """A file is not kept for what is wrong with it."""

    def __init__(self, shown: str, flaw: Flaw) -> None:
        super().__init__(flaw.tell(shown))
        self.flaw = flaw


def find_refusal(flaws: Sequence[Flaw], policy: RepairPolicy) -> Flaw | None:
    """Return the fault that keeps a file out, the hardest to repair, if any does.

    Its remedy is never what the policy does anyway.
    """
    faults = [flaw for flaw in flaws if flaw.severity == FAULT]
    worst = min(faults, key=lambda flaw: _HARDEST.index(flaw.repair), default=None)
    if worst and policy.includes(worst):
        return worst._replace(remedy=EXPORT, repair=None)
    return worst


def _find_codes(flaws: Sequence[Flaw]) -> set[str]:
    """Return what might be repaired."""
    return {
        flaw.code
        for flaw in flaws
        if flaw.severity != NOTE and (flaw.repair or flaw.code in DAMAGE)
    }


def _measure_gap(report: CheckReport) -> float:
    """Return how many seconds of a clip are without a key frame, at most."""
    tracks = report.movie.list_tracks("vide") if report.movie else []
    return tracks[0].longest_gap if tracks else 0.0


def _is_sound_shifted(report: CheckReport) -> bool:
    """Report whether edit lists shift no picture, and only sound is to be encoded."""
    tracks = report.movie.list_tracks("vide") if report.movie else []
    shift = max(
        (max(track.shown.delay, track.shown.cut) for track in tracks), default=1.0
    )
    codes = {
        flaw.code
        for flaw in report.flaws
        if flaw.severity != NOTE
        and (flaw.repair == TRANSCODE or flaw.code in {EDITED, *DAMAGE})
    }
    return shift <= SHIFT_SECONDS and EDITED in codes and codes <= {EDITED, *OF_SOUND}


def _name_next(flaw: Flaw) -> Flaw:
    """Return a flaw that copying did not mend with the repair that may do so."""
    if flaw.repair != FIX:
        return flaw
    return repairable(flaw.code, flaw.severity, flaw.sentence, TRANSCODE)


def _note_loss(damage: Damage) -> Flaw:
    code = "damage-accepted" if damage.is_refused else "start-lost"
    return Flaw(code, WARNING, damage.describe_loss(), _EXPORT_AGAIN)


def _note_failure(
    report: CheckReport, error: RepairError, more: Repair | None
) -> CheckReport:
    """Return the report with a word on why the file stays as it is.

    more is the repair that may still help.
    """
    sentence = f"could not be repaired ({error})"
    flaw = Flaw(NOT_REPAIRED, WARNING, sentence, _EXPORT_AGAIN)
    if more:
        flaw = repairable(NOT_REPAIRED, WARNING, sentence, more)
    worst = next((flaw for flaw in report.flaws if flaw.severity == FAULT), None)
    if worst:  # this rejects it, so it says why
        flaw = flaw._replace(
            severity=FAULT, sentence=f"{worst.sentence}, and {sentence}"
        )
    return report._replace(flaws=[flaw, *report.flaws])
