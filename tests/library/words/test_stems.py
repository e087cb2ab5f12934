from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from server.library.words.stems import read_stems


@pytest.mark.parametrize(
    ("language", "part", "stem"),
    [
        ("en", "ponies", "poni"),
        ("en", "the", None),
        ("en-GB", "dogs", "dog"),
        ("English", "dogs", "dog"),
        ("de", "häuser", "haus"),
        ("ar", "الغروب", "غروب"),
        ("zh-Hans", "的", ""),
    ],
)
def test_endings_of_a_language_are_taken_away(
    database_url: str, language: str, part: str, stem: str | None
) -> None:
    with closing(psycopg2.connect(database_url)) as connection:
        stems = read_stems(connection.cursor(), [part], [language])
    assert list(stems) == [language]
    assert stems[language].get(part) == stem


def test_language_without_a_dictionary_has_no_stems(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as connection:
        assert read_stems(connection.cursor(), ["dogs"], ["ja", "", "simple"]) == {}
