"""The parts of words and file names, and forms to compare them by. No I/O."""

from __future__ import annotations

import re
import unicodedata
from itertools import combinations
from typing import TYPE_CHECKING

from server.library.suffixes import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    # language → part → the part without its ending
    Stems = Mapping[str, Mapping[str, str]]

_SUFFIX = re.compile(rf"({'|'.join(map(re.escape, VIDEO_SUFFIXES))})\Z", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_APOSTROPHES = re.compile("['`\u2018\u2019\u02bc]")
# Accents of Latin, Greek and Cyrillic letters, and what Hebrew and Arabic may leave
# out: vowels, and the tatweel. In other scripts a mark is no less than a letter.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
# Letters that Unicode does not take apart, and those that Arabic keyboards mix up.
_BASE = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
    | {"ى": "ي", "ی": "ي", "ة": "ه", "ک": "ك"}
)
_WIDE = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
# Thai, Lao, Burmese, Khmer, Japanese and Chinese have no spaces between words.
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff"
_PART = re.compile(rf"\d+|[{_NO_SPACES}]|[^\d\s{_NO_SPACES}]+")
_ORDERED_PARTS = 4  # more are never said in another order
_START = 7  # letters, of which some are left out

SAME, ACCENTS, ENDING, ORDER, BOTH = "=", "~", "-", "<", ">"
"""How a form is made, which is the first character of each."""


def split_name(filename: str) -> list[str]:
    """Return the parts of a file name, without folders and suffix, as split_word."""
    name = _SUFFIX.sub("", re.split(r"[/\\]", filename)[-1])
    return split_word(_CAMEL.sub(" ", unicodedata.normalize("NFC", name)))


def split_word(word: str) -> list[str]:
    """Return the parts of a word in small letters: runs of letters, runs of digits.

    In a script without spaces each character is a part.
    """
    small = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", word)).casefold()
    small = unicodedata.normalize("NFC", small)
    return _PART.findall("".join(sign if _is_letter(sign) else " " for sign in small))


def _is_letter(sign: str) -> bool:
    """Report whether a character does not just separate; an emoji does not."""
    kind = unicodedata.category(sign)[0]
    return kind in "LMN" or (kind == "S" and not sign.isascii())


def strip_accents(part: str) -> str:
    """Return a part without accents and the like: ü becomes u."""
    if part.isascii():
        return part
    apart = unicodedata.normalize("NFD", part.translate(_BASE))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", apart))


class NameParts:
    """The parts of a word or a name, and the forms of any that follow each other."""

    def __init__(
        self, parts: Sequence[str], stems: Stems, languages: Collection[str]
    ) -> None:
        """Take parts of split_word, and the languages whose endings they may have."""
        self.parts = list(parts)
        self._plain = [strip_accents(part) for part in parts]
        wide = [strip_accents(part.translate(_WIDE)) for part in parts]
        self._spellings = [self._plain] if wide == self._plain else [self._plain, wide]
        self._stems = [
            (language, [strip_accents(known.get(part, part)) for part in parts])
            for language, known in stems.items()
            if language in languages
        ]

    def join(self, start: int, end: int) -> str:
        """Return some parts in one, without accents."""
        return "".join(self._plain[start:end])

    def list_forms(self, start: int, end: int) -> Iterator[str]:
        """Yield the forms of some parts; two that are alike have one in common."""
        yield SAME + "".join(self.parts[start:end])
        for parts in self._spellings:
            yield ACCENTS + "".join(parts[start:end])
        can_move = self._can_move(start, end)
        if can_move:
            yield ORDER + " ".join(sorted(self._plain[start:end]))
        for language, parts in self._stems:
            if stem := "".join(parts[start:end]):
                yield f"{ENDING}{language} {stem}"
            if stem and can_move:
                yield f"{BOTH}{language} {' '.join(sorted(parts[start:end]))}"

    def _can_move(self, start: int, end: int) -> bool:
        """Report whether another order of some parts would mean the same."""
        return 1 < end - start <= _ORDERED_PARTS and not any(
            re.match(f"[{_NO_SPACES}]", part) for part in self.parts[start:end]
        )


def allowed_errors(length: int) -> int:
    """Return with how many typing errors a word of so many letters is still alike."""
    return 0 if length < 4 else 1 if length < 6 else 2


def list_deletions(text: str) -> set[str]:
    """Return the beginning of a text, and what is left of it without some letters.

    Two texts that differ by no more than allowed_errors (a letter too many, missing or
    wrong, or two swapped) have one of these in common. It is the symmetric delete of
    Wolf Garbe's SymSpell. The set is empty if no error is allowed.
    """
    errors, start = allowed_errors(len(text)), text[:_START]
    if not errors:
        return set()
    return {
        "".join(kept)
        for missing in range(errors + 1)
        for kept in combinations(start, len(start) - missing)
    }
