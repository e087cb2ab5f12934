"""When pictures are shown, and which of them. No I/O."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EARLY = Fraction(1, 4)  # of a picture's time: how much times may jitter
_CREDIT = Fraction(6, 25)  # what is left of that after a pause
_TOLERANCE = Fraction(101, 100)  # the check has the same
_FINEST = 1_000_000  # ticks a second
_COARSEST = 10_000
_USUAL = 90_000


class Thinner:
    """Leaves out the pictures that come faster than the limit."""

    def __init__(self, fps: float) -> None:
        self._step = 1 / (Fraction(fps).limit_denominator(1001) * _TOLERANCE)
        self._due: Fraction | None = None
        self._kept = 0

    @property
    def least(self) -> Fraction:
        """Return how many seconds those that were kept must last in all."""
        return self._kept * self._step

    def keeps(self, moment: Fraction) -> bool:
        """Report whether the picture of a moment stays; moments come in order."""
        if self._due is None:
            self._due = moment + self._step
        elif moment < self._due - self._step * _EARLY:
            return False
        else:
            soonest = moment + self._step * (1 - _CREDIT)
            self._due = max(self._due + self._step, soonest)
        self._kept += 1
        return True


def pick_ticks(base: Fraction | None) -> int:
    """Return how many ticks a second can tell times of a base, exactly if they can."""
    ticks = base.denominator if base else _USUAL
    if ticks > _FINEST:
        return _USUAL
    return ticks * -(-_COARSEST // ticks)


def fill_moments(known: Sequence[int | None], step: int) -> list[int]:
    """Return a time for each picture in the order of display, each after the other.

    What is not known lies between its neighbours; step is the usual distance.
    """
    after: list[int | None] = [None] * len(known)  # where the next known time is
    for at in reversed(range(len(known))):
        following = after[at + 1] if at + 1 < len(known) else None
        after[at] = following if known[at] is None else at
    found: list[int] = []
    for at, place in enumerate(after):
        later = known[place] if place is not None else None
        if later is None or place is None:
            found.append(found[-1] + step if found else 0)
        elif not found:
            found.append(later - place * step)
        else:
            found.append(found[-1] + max((later - found[-1]) // (place - at + 1), 1))
    return found


def plan_decoding(shown: Sequence[int]) -> list[int]:
    """Return when to decode each sample, from when they are shown, in decoding order.

    As late as can be, and none later than it is shown.
    """
    ordered = sorted(shown)
    late = max(
        (moment - own for moment, own in zip(ordered, shown, strict=True)), default=0
    )
    return [moment - late for moment in ordered]
