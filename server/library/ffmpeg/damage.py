"""What cannot be decoded of a clip. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.report import count_noun

PICTURES, SOUND, START, END = "pictures", "sound", "start", "end"
_UNITS = {PICTURES: "pictures", START: "pictures", SOUND: "packets of sound"}


class Damage(NamedTuple):
    """One kind of damage; of END, lost and total are the seconds until it ends.

    Of START it is pictures that refer to others which were cut off before them.
    """

    kind: str
    lost: int
    total: int
    moment: float  # of the first that is lost, in seconds from the start

    @property
    def is_refused(self) -> bool:
        """Report whether it is a reason not to encode, unless it is accepted."""
        return self.kind != START

    def describe(self) -> str:
        """Return it as a clause about a clip."""
        if self.kind == END:
            return f"ends at {self.moment:.1f} s, which should last {self.total} s"
        unit = _UNITS[self.kind]
        return (
            f"is damaged at {self.moment:.1f} s: {self.lost} of {self.total} {unit} "
            "cannot be decoded"
        )

    def describe_loss(self) -> str:
        """Return what its repair has lost, as a clause about a clip."""
        if self.kind == END:
            return f"lost what came after {self.moment:.1f} s of {self.total} s"
        unit = _UNITS[self.kind]
        if self.kind == START:
            many = count_noun(self.lost, "picture")
            return f"lost {many} at its start, before any key frame"
        return f"lost {self.lost} of {self.total} {unit} at {self.moment:.1f} s"


class Written(NamedTuple):
    """What came of writing a clip anew."""

    failure: str = ""  # why there is none; empty if there is
    damage: tuple[Damage, ...] = ()  # of the source


def read_written(answer: tuple[str, list[list[object]]]) -> Written:
    """Return what a job told in JSON."""
    failure, found = answer
    return Written(failure, tuple(Damage(*each) for each in found))  # type: ignore[arg-type]
