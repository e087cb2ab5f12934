"""Tags of languages: RFC 5646's own examples, and what is none."""

from __future__ import annotations

import pytest

from server.errors import Fault
from server.library.captions.languages import (
    name_language,
    need_language,
    parse_language,
)


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ("en", "en"),
        ("DE-ch-1901", "de-CH-1901"),
        ("ZH-HANS-cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("yue", "yue"),
        ("e", None),
        ("english", None),
        ("en_US", None),
        ("en-", None),
        ("", None),
        ("de\n", None),
        ("ｅｎ", None),
        ("../a", None),
        ("en" + "-variant" * 5, None),
    ],
)
def test_tags_are_written_as_is_usual(given: str, tag: str | None) -> None:
    assert parse_language(given) == tag
    if tag is None:
        with pytest.raises(Fault, match="is not a language: give a tag like en"):
            need_language(given)
    else:
        assert need_language(given) == tag


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("de", "Deutsch"),
        ("zh-Hans", "简体中文"),
        ("pt-BR", "Português (BR)"),
        ("tlh", "tlh"),
    ],
)
def test_languages_have_names(tag: str, name: str) -> None:
    assert name_language(tag) == name
