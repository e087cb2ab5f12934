"""What a video is linked to, as a person names it. No I/O."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class LinkTarget(NamedTuple):
    """The definitions of a word, one definition, one question; all None for all."""

    word: str | None = None
    language: str | None = None
    native: str | None = None
    definition: int | None = None
    question: int | None = None


class Misfit(Enum):
    """Why a target is not one thing."""

    SEVERAL = auto()
    HALF_A_WORD = auto()  # without its language, or a language without a word
    NATIVE_ALONE = auto()
    NOTHING = auto()


def find_misfit(target: LinkTarget) -> Misfit | None:
    """Return why a target is not one thing; None if it is."""
    named = (target.word, target.definition, target.question)
    count = sum(each is not None for each in named)
    if count > 1:
        return Misfit.SEVERAL
    if (target.word is None) != (target.language is None):
        return Misfit.HALF_A_WORD
    if target.native is not None and target.word is None:
        return Misfit.NATIVE_ALONE
    return None if count else Misfit.NOTHING
