from __future__ import annotations

import time
from typing import Any

import pytest

from server.cli import main
from server.library.keeping.words import list_words
from tests.conftest import execute
from tests.library.keeping.library import fill, read_lines


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["Reis", "rise", "sad"]),
        ({"language": "en"}, ["rise", "sad"]),
        ({"text": "RI"}, ["rise"]),
        ({"with_clip": True}, ["Reis", "rise"]),
        ({"with_clip": False}, ["sad"]),
        ({"with_clip": False, "language": "de"}, []),
    ],
)
def test_search_finds(
    database_url: str, asked: dict[str, Any], found: list[str]
) -> None:
    fill(database_url)
    pages = list_words(database_url, **asked)
    assert [word.word for page in pages for word in page] == found


def test_word_is_told_with_its_clips_in_order(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database_url)
    arguments = ["words", "--json", "--with-clip", "--database-url", database_url]
    assert main(arguments) == 0
    assert read_lines(capsys)[1] == {
        "word": "rise",
        "language": "en",
        "natives": ["de", "zh"],
        "definitions": 2,
        "questions": 1,
        "videos": [1, 2, 3],
    }


def test_table_tells_how_many(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database_url)
    assert main(["words", "--without-clip", "--database-url", database_url]) == 0
    text = capsys.readouterr()
    assert text.out.splitlines()[1].split() == ["sad", "en", "de", "1", "0"]
    assert text.err == "1 word\n"


@pytest.mark.long
def test_many_words_are_listed_soon(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data) VALUES ('a.mp4', 'x');"
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language, video_id)"
        " SELECT 'w' || n % 20000, 'x', 'en', 'de', 1"
        "   FROM generate_series(1, 40000) AS n",
    )
    begun = time.monotonic()
    assert sum(len(page) for page in list_words(database_url)) == 20_000
    assert time.monotonic() - begun < 5
