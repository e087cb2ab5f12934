from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from server.library.words.forms import (
    NameParts,
    allowed_errors,
    list_deletions,
    split_name,
    split_word,
    strip_accents,
)


@pytest.mark.parametrize(
    ("filename", "parts"),
    [
        ("ice-cream_Cone2.mp4", ["ice", "cream", "cone", "2"]),
        ("en\\week 3/IceCream (1).MOV", ["ice", "cream", "1"]),
        ("don’t+go.v2.webm", ["dont", "go", "v", "2"]),
        ("漂亮的girl.mp4", ["漂", "亮", "的", "girl"]),
        ("u\u0308ber.mp4", ["über"]),
        ("हिन्दी_예쁜.mp4", ["हिन्दी", "예쁜"]),
        ("🎉_party.mp4", ["🎉", "party"]),
        ("_ .mp4", []),
    ],
)
def test_name_is_split_at_what_is_no_letter(filename: str, parts: list[str]) -> None:
    assert split_name(filename) == parts


def test_word_is_split_as_it_would_be_in_a_name() -> None:
    assert split_word("Mother-in-law’s 7ｕｐ") == ["mother", "in", "laws", "7", "up"]


@pytest.mark.parametrize(
    ("part", "plain"),
    [
        ("café", "cafe"),
        ("œuf", "oeuf"),
        ("ёлка", "елка"),
        ("جَمِيل", "جميل"),
        ("قطة", "قطه"),
        ("が", "が"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_accents_are_what_can_be_left_out(part: str, plain: str) -> None:
    assert strip_accents(part) == plain


def have_same_form(one: str, other: str) -> bool:
    stems = {"en": {"dogs": "dog", "的": ""}}
    forms = []
    for text in (one, other):
        parts = NameParts(split_word(text), stems, {"en"})
        forms.append(set(parts.list_forms(0, len(parts.parts))))
    return not forms[0].isdisjoint(forms[1])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ueber", "über", True),
        ("uber", "über", True),
        ("ubr", "über", False),
        ("icecream", "ice cream", True),
        ("cream ice", "ice-cream", True),
        ("dogs", "dog", True),
        ("dogs hot", "hot dog", True),
        ("漂亮", "漂亮的", True),
        ("亮漂", "漂亮", False),
        ("a b c d e", "e d c b a", False),
        ("的", "", False),
    ],
)
def test_same_form_means_the_same_word(one: str, other: str, same: bool) -> None:
    assert have_same_form(one, other) is same


words = st.text("abc", min_size=1, max_size=12)


@given(words, words)
def test_words_within_the_errors_share_a_deletion(one: str, other: str) -> None:
    most = allowed_errors(min(len(one), len(other)))
    if most and OSA.distance(one, other) <= most:
        assert not list_deletions(one).isdisjoint(list_deletions(other))


def test_short_words_have_no_deletions() -> None:
    assert list_deletions("abc") == set()
    assert list_deletions("abcd") == {"abcd", "bcd", "acd", "abd", "abc"}
