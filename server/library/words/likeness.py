"""Which words a file name is like, how much, and why. No I/O.

A score is from 0 to 1. Two things take from 1, the same name: that the word is written
in another way, and that the name says more than the word.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import OSA, Prefix

from server.library.words.forms import (
    ACCENTS,
    BOTH,
    ENDING,
    ORDER,
    SAME,
    NameParts,
    allowed_errors,
    list_deletions,
    split_name,
    split_word,
)
from server.library.words.naming import LEAST_SCORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from server.library.words.forms import Stems

_LEVELS = {
    SAME: (1.0, ""),
    ACCENTS: (0.98, "other accents"),
    ENDING: (0.95, "another ending"),
    ORDER: (0.94, "another order"),
    BOTH: (0.91, "another order and ending"),
}
_OTHER_SPACES = (0.99, "other spaces")
_MOST = 10  # words a name
_NAME_PARTS = 16  # no word stands behind so many
_WORD_PARTS = 8
_TYPED_PARTS = 4  # of what is looked up in spite of typing errors
_SWAPPED = 0.03  # two letters in the wrong order are less of an error
_OTHER_START = 0.05  # people seldom mistake the first letter
_HALF = 4  # letters, at least, of a word that is part of a longer one
_HALF_LIKENESS = 0.65
_COVERING = 0.8  # so like is what a longer part of the name may mean instead
_COVERED = 0.85

# What cameras and people add to a name. It tells nothing, unless it is a word.
_NOISE = {
    *("img", "vid", "mov", "mvi", "dsc", "dscn", "pxl", "dji", "gopr", "gx"),
    *(
        "video",
        "clip",
        "movie",
        "film",
        "copy",
        "final",
        "new",
        "old",
        "take",
        "version",
    ),
    *("edit", "edited", "export", "ver", "v", "hd", "uhd", "fhd", "k", "p", "x"),
    *("a", "an", "the", "to", "der", "die", "das", "ein", "eine", "le", "la", "les"),
    *("l", "un", "une", "el", "los", "las", "una"),
}


class Word(NamedTuple):
    """A word of the library."""

    word: str
    language: str


class Like(NamedTuple):
    """A word that a name is like."""

    word: str
    language: str
    score: float
    reason: str


class _Span(NamedTuple):
    """Parts of a name that follow each other, and how many tell more around them."""

    start: int
    end: int
    before: int
    after: int
    is_all: bool

    def covers(self, other: _Span) -> bool:
        """Report whether the other lies within this one."""
        return self.start <= other.start and other.end <= self.end


class _Found(NamedTuple):
    """A word, and the span of the name that is like it."""

    number: int
    span: _Span
    likeness: float
    way: str  # how the spelling differs; empty if it does not

    @property
    def score(self) -> float:
        """Return the likeness, less what the name says besides."""
        if self.span.before:
            return self.likeness * 0.75
        if self.span.after:
            return self.likeness * (0.97 - 0.005 * min(self.span.after, 4))
        return self.likeness * (1 if self.span.is_all else 0.99)

    @property
    def reason(self) -> str:
        """Return why the word is suggested."""
        if self.span.before:
            place = "inside the name"
        elif self.span.after:
            place = "at the beginning of the name"
        else:
            return self.way or "the same name"
        return f"{self.way}, {place}" if self.way else place


class WordIndex:
    """The words of a library, to be found by names that are like them."""

    def __init__(self, words: Iterable[Word], stems: Stems) -> None:
        self._words = list(words)
        self._stems = stems
        self._languages = {word.language for word in self._words}
        self._parts = [
            NameParts(split_word(word), stems, {language})
            for word, language in self._words
        ]
        self._by_form: dict[str, list[int]] = defaultdict(list)
        self._by_deletion: dict[str, list[int]] = defaultdict(list)
        self._by_start: dict[str, list[int]] = defaultdict(list)
        self._plain = [name.join(0, len(name.parts)) for name in self._parts]
        for number, (name, plain) in enumerate(
            zip(self._parts, self._plain, strict=True)
        ):
            if not plain:
                continue
            for form in set(name.list_forms(0, len(name.parts))):
                self._by_form[form].append(number)
            for deletion in list_deletions(plain):
                self._by_deletion[deletion].append(number)
            self._by_start[plain[:_HALF]].append(number)

    def find(self, filename: str) -> list[Like]:
        """Return the words that a file name is like, the most alike first."""
        parts = split_name(filename)[:_NAME_PARTS]
        name = NameParts(parts, self._stems, self._languages)
        spans = list(self._list_spans(parts))
        exact = [found for span in spans for found in self._find_forms(name, span)]
        typed = [
            found
            for span in spans
            if not any(each.span.covers(span) for each in exact)
            for found in self._find_typed(name, span)
        ]
        best: dict[int, Like] = {}
        for each in [*exact, *typed] or self._find_halves(name, spans):
            like = self._describe(each, exact + typed)
            if like.score >= LEAST_SCORE and (
                each.number not in best or like.score > best[each.number].score
            ):
                best[each.number] = like
        return sorted(best.values(), key=lambda like: (-like.score, *like))[:_MOST]

    def _describe(self, found: _Found, others: Iterable[_Found]) -> Like:
        """Return what is found as it is told, less likely if it is half of another."""
        is_half = any(
            other.span.covers(found.span)
            and not found.span.covers(other.span)
            and other.likeness > _COVERING
            for other in others
        )
        score = found.score * (_COVERED if is_half else 1)
        return Like(*self._words[found.number], round(score, 2), found.reason)

    def _list_spans(self, parts: Sequence[str]) -> Iterator[_Span]:
        """Yield what may be a word, from the beginning, the longest first."""
        tells = [self._tells(part) for part in parts]
        for start in range(len(parts)):
            for end in range(min(start + _WORD_PARTS, len(parts)), start, -1):
                before, after = sum(tells[:start]), sum(tells[end:])
                yield _Span(start, end, before, after, end - start == len(parts))

    def _tells(self, part: str) -> bool:
        """Report whether a part of a name says what the video shows."""
        if part.isdigit():
            return False
        return part not in _NOISE or SAME + part in self._by_form

    def _find_forms(self, name: NameParts, span: _Span) -> Iterator[_Found]:
        for form in name.list_forms(span.start, span.end):
            likeness, way = _LEVELS[form[0]]
            for number in self._by_form.get(form, ()):
                if (
                    way
                    or self._parts[number].parts == name.parts[span.start : span.end]
                ):
                    yield _Found(number, span, likeness, way)
                else:
                    yield _Found(number, span, 0.99, "other spaces")

    def _find_typed(self, name: NameParts, span: _Span) -> Iterator[_Found]:
        """Yield words that typing errors made of the span."""
        count = span.end - span.start
        if count > _TYPED_PARTS:
            return
        typed = name.join(span.start, span.end)
        numbers = {
            number
            for deletion in list_deletions(typed)
            for number in self._by_deletion.get(deletion, ())
        }
        for number in numbers:
            word = self._plain[number]
            most = allowed_errors(min(len(word), len(typed)))
            errors = OSA.distance(typed, word, score_cutoff=most)
            if errors <= most and count in (1, len(self._parts[number].parts)):
                way = "a typing error" if errors == 1 else f"{errors} typing errors"
                yield _Found(number, span, _rate_typed(typed, word, errors), way)

    def _find_halves(self, name: NameParts, spans: Iterable[_Span]) -> Iterator[_Found]:
        """Yield words that a part of the name begins or ends with, or begins like."""
        for span in spans:
            part = name.join(span.start, span.end)
            if span.end - span.start > 1 or len(part) < _HALF:
                continue
            for half in _list_halves(part):
                for number in self._by_form.get(ACCENTS + half, ()):
                    yield _Found(number, span, _HALF_LIKENESS, "part of a longer word")
            for number in self._by_start.get(part[:_HALF], ()):
                share = Prefix.normalized_similarity(part, self._plain[number])
                yield _Found(number, span, share, "the same beginning")


def _list_halves(part: str) -> Iterator[str]:
    """Yield what a part of a name begins and ends with: half of its letters or more."""
    for length in range(max(_HALF, (len(part) + 1) // 2), len(part)):
        yield part[:length]
        yield part[-length:]


def _rate_typed(typed: str, word: str, errors: int) -> float:
    """Return the share of right letters, corrected by the kind of error."""
    share = 1 - errors / max(len(typed), len(word))
    swapped = _SWAPPED if sorted(typed) == sorted(word) else 0
    return share + swapped - (_OTHER_START if typed[0] != word[0] else 0)
