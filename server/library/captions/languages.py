"""The languages of captions: tags of BCP 47, and what people call them. No I/O."""

from __future__ import annotations

import re

from server.errors import Fault
from server.library.files import show_text

LETTERS_MAX = 35  # which RFC 5646, 4.4.1, has all implementations take

# Language, script, region and variants of RFC 5646, 2.1: what a player can choose by.
_TAG = re.compile(
    r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*",
    re.ASCII | re.I,
)

# In the language itself, so that those who need it find it (Unicode CLDR).
_NAMES = {
    "ar": "العربية",
    "bg": "Български",
    "bn": "বাংলা",
    "cs": "Čeština",
    "da": "Dansk",
    "de": "Deutsch",
    "el": "Ελληνικά",
    "en": "English",
    "es": "Español",
    "et": "Eesti",
    "fa": "فارسی",
    "fi": "Suomi",
    "fr": "Français",
    "he": "עברית",
    "hi": "हिन्दी",
    "hr": "Hrvatski",
    "hu": "Magyar",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "lt": "Lietuvių",
    "lv": "Latviešu",
    "ms": "Bahasa Melayu",
    "nb": "Norsk bokmål",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ro": "Română",
    "ru": "Русский",
    "sk": "Slovenčina",
    "sl": "Slovenščina",
    "sr": "Српски",
    "sv": "Svenska",
    "th": "ไทย",
    "tr": "Türkçe",
    "uk": "Українська",
    "ur": "اردو",
    "vi": "Tiếng Việt",
    "zh": "中文",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
}


def parse_language(text: str) -> str | None:
    """Return a tag in its usual letters, such as pt-BR or zh-Hans; None for others."""
    if len(text) > LETTERS_MAX or not _TAG.fullmatch(text):
        return None
    language, *parts = text.lower().split("-")
    return "-".join([language, *map(_write_part, parts)])


def _write_part(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part


def need_language(text: str) -> str:
    """Return a tag as parse_language does; Fault for what is none."""
    language = parse_language(text)
    if language is None:
        raise Fault(
            f"“{show_text(text)}” is not a language: give a tag like en, pt-BR or "
            "zh-Hans"
        )
    return language


def name_language(tag: str) -> str:
    """Return what people call a language; the tag itself where we know no name."""
    if tag in _NAMES:
        return _NAMES[tag]
    language, _, rest = tag.partition("-")
    return f"{_NAMES[language]} ({rest})" if language in _NAMES else tag
