"""What can be wrong with a clip, and what a good one does not go beyond. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RULES_VERSION: Final = 4
"""To be raised when a rule changes: what older rules have checked is checked again."""

FAULT, WARNING, NOTE = SEVERITIES = ("fault", "warning", "note")
FIX: Final = "fix"  # without encoding anew
TRANSCODE: Final = "transcode"
Repair = Literal["fix", "transcode"]
_REMEDIES = {repair: f"import it with --{repair}" for repair in (FIX, TRANSCODE)}
IMPORT_MP4 = "import an MP4 video"
EXPORT = "export it again from what it was made of"
LOSE = f"{EXPORT}, or lose that with --transcode --accept-damage"
LOSABLE = ("damaged-pictures", "damaged-sound")
"""Codes of flaws that are nothing to repair, but what is damaged can be left out."""


class Flaw(NamedTuple):
    """What is wrong with a file; sentence goes on after its name."""

    code: str
    severity: str
    sentence: str
    remedy: str  # for a person
    repair: Repair | None = None  # what an import or a replacement can do

    def tell(self, shown: str) -> str:
        """Return all as one sentence about a file."""
        return f"{shown} {self.sentence}: {self.remedy}"


class Limits(NamedTuple):
    """What a good clip does not go beyond."""

    seconds: float = 10
    megabytes: float = 5
    height: int = 1080  # pixels of the shorter side
    fps: float = 30

    @property
    def bytes(self) -> int:
        """Return the largest size, in bytes."""
        return int(self.megabytes * 1_000_000)


def find_worst(flaws: Sequence[Flaw]) -> str | None:
    """Return the gravest severity, None without any flaw."""
    return min((flaw.severity for flaw in flaws), key=SEVERITIES.index, default=None)


def name_stored_remedy(flaw: Flaw, video_id: int | None) -> Flaw:
    """Return a flaw of a video with the remedy that helps there, if any does.

    Importing the file again would only find that it is there. None stands for a file.
    """
    if video_id is None:
        return flaw
    replace = f"bytereel replace {video_id}"
    if flaw.code in LOSABLE:
        losing = f"{replace} --transcode --accept-damage"
        return flaw._replace(remedy=f"{EXPORT}, or lose that with {losing}")
    if flaw.repair is None:
        return flaw
    return flaw._replace(remedy=f"{replace} --{flaw.repair}")


def read_flaws(kept: Iterable[Mapping[str, Any]]) -> list[Flaw]:
    """Return flaws as they were kept, perhaps by a version that knew more of them."""
    names = Flaw._fields
    return [
        Flaw(**{name: flaw[name] for name in names if name in flaw}) for flaw in kept
    ]


def repairable(code: str, severity: str, sentence: str, repair: Repair) -> Flaw:
    """Return a flaw that an import can repair."""
    return Flaw(code, severity, sentence, _REMEDIES[repair], repair)
