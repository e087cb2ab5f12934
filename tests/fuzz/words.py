"""Names of files and words: each is understood, compared and quoted without a fault."""

from __future__ import annotations

import re
import shlex
import unicodedata

from server.library.words.forms import split_name, split_word, strip_accents
from server.library.words.likeness import Word, WordIndex
from server.library.words.naming import LEAST_SCORE, word_candidates, word_key
from server.library.words.suggest import quote

WORDS = [
    *(b"ice_cream_cone.mp4", b"ice cream", b"Stra\xc3\x9fe", b"\xc4\xb0", b"\xcc\x81"),
    *(b"\xe2\x80\x99", b"-", b"_", b" ", b".MOV", b"/", b"\\", b"'", b"\xe1\xba\x9e"),
    *(
        b"\xe3\x81\x82",
        b"\xef\xac\x81",
        b"\xcd\x85",
        b"\xe0\xb8\x81",
        b"\n",
        b"\x1b[0m",
    ),
    *(sign.encode() for sign in ("œuf", "ﷺ", "😀", "\u202e", "ǰ", "ΐ", "Übung")),
]

_INDEX_WORDS = ("ice cream", "Straße", "l'œuf", "naïve", "東京", "to go", "İ", "ﬁ")
_STEMS = {"en": {"cream": "crea"}, "de": {"strasse": "strass"}}
INDEX = WordIndex(
    [Word(word, language) for word in _INDEX_WORDS for language in ("en", "de")], _STEMS
)
_ESCAPE = re.compile(r"\\U([0-9a-f]{8})")


def fuzz_words(data: bytes) -> None:
    """Read a text as a word and as the name of a file."""
    text = data.decode(errors="replace")
    key = word_key(text)
    for form in ("NFC", "NFD"):
        assert word_key(unicodedata.normalize(form, text)) == key
    assert word_key(key) == key
    assert word_key(f" {text}_") == key
    candidates = word_candidates(text)
    assert len(set(candidates)) == len(candidates)
    assert all(candidates)
    if not re.search(r"[/\\]", text):
        assert not word_key(text) or word_key(text) in word_candidates(f"{text}.mp4")
    assert all(split_word(text)), "no part is empty"
    assert all(split_name(text))
    for like in INDEX.find(text):
        assert LEAST_SCORE <= like.score <= 1
    parts = split_word(text)
    has_letters = any(map(strip_accents, parts))
    if has_letters and len(parts) <= 8 and split_name(text) == parts:
        (best,) = WordIndex([Word(text, "en")], {}).find(text)
        assert best.score >= 0.99, "a word is like itself"
    assert read_quoted(quote(text)) == text


def read_quoted(shown: str) -> str:
    """Return what a shell makes of it: sh, or bash where it begins with $'."""
    assert shown.isprintable()
    if not shown.startswith("$'"):
        (word,) = shlex.split(shown)
        return word
    inside = shown[2:-1]
    assert "'" not in inside
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), inside)
