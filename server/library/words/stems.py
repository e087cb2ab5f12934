"""Words without their endings, by the Snowball dictionaries that PostgreSQL has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg2.extensions import cursor as Cursor

    from server.library.words.forms import Stems

# ISO 639 code → the dictionary's name; a language may also be called by that name.
_DICTIONARIES = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
_CHINESE = dict.fromkeys(
    "的地得了着过着们們過著", ""
)  # particles; no dictionary has them


def read_stems(
    cursor: Cursor, parts: Collection[str], languages: Collection[str]
) -> Stems:
    """Return what is left of each part without its ending in each of the languages.

    Only parts that have an ending are there, and only languages of which the endings
    are known.
    """
    known: dict[str, dict[str, str]] = {}
    for language in languages:
        code = re.split("[-_]", language.casefold())[0]
        name = _DICTIONARIES.get(code, code)
        if code in ("zh", "cmn", "chinese"):
            known[language] = _CHINESE
        elif name in _DICTIONARIES.values():
            values = {"dictionary": f"{name}_stem", "parts": list(parts)}
            rows = read_rows(cursor, "list_stems", values)
            known[language] = {row["part"]: row["stem"] for row in rows}
    return known
