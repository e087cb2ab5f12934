from __future__ import annotations

import re
import time
from typing import Any

import pytest

from server.cli import main
from server.errors import Fault
from server.library.keeping.listing import Search, list_clips
from server.library.keeping.tables import PAGE_ROWS
from server.library.report import Column, render_table
from tests.conftest import execute, undo_migrations
from tests.library.keeping.library import fill, read_lines

VIEW = """
CREATE TABLE files (number BIGINT, title TEXT, body BYTEA);
INSERT INTO files VALUES (1, 'a.mp4', 'abc'), (9000000000, NULL, NULL);
CREATE VIEW videos AS
SELECT number AS id, title AS filename, 'video/mp4' AS mime_type, body AS video_data,
       'infinity'::timestamp AS created_at
  FROM files;
"""
FLAWS = """
INSERT INTO checks (video_id, rules, size_bytes, flaws)
VALUES (1, '1', 1, '[]'),
       (2, '1', 2, '[{"code": "codec", "severity": "fault"},
                     {"code": "hdr", "severity": "note"}]'),
       (3, '1', 3, '[{"code": "hdr", "severity": "note"},
                     {"code": "of-older-rules", "severity": "note"}]'),
       (99, '1', 3, '[{"code": "hdr", "severity": "note"}]');
"""


def find(url: str, **asked: Any) -> list[int]:
    """Return the ids of what a search finds."""
    search = Search()._replace(**asked)
    return [clip.id for page in list_clips(url, search) for clip in page.clips]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"text": "RIS"}, [1]),
        ({"text": "%"}, []),
        ({"word": "RISE"}, [3, 2, 1]),
        ({"word": "rise", "text": "b."}, [2]),
        ({"language": "de"}, [4]),
        ({"word": "rise", "language": "de"}, []),
        ({"unlinked": True}, [5]),
        ({"sort": "oldest"}, [1, 2, 3, 4, 5]),
        ({"sort": "name"}, [3, 2, 5, 4, 1]),
        ({"sort": "size", "limit": 2}, [5, 4]),
        ({"sort": "duration", "limit": 2}, [4, 5]),
        ({"sort": "views", "limit": 2}, [2, 1]),
        ({"flaw": "codec"}, [2]),
        ({"flaw": "hdr"}, [3, 2]),
        ({"flaw": "fault"}, [2]),
        ({"flaw": "any", "word": "rise"}, [3, 2]),
        ({"flaw": "none"}, [1]),
        ({"flaw": "unchecked"}, [5, 4]),
        ({"flaw": "of-older-rules"}, [3]),
        ({"flaw": "level"}, []),
    ],
)
def test_search_finds(
    database_url: str, asked: dict[str, Any], found: list[int]
) -> None:
    fill(database_url)
    execute(
        database_url,
        "UPDATE videos SET duration_seconds = 5 - id WHERE id > 3;"
        "INSERT INTO video_views (video_id, day, started)"
        " VALUES (2, '2025-01-01', 5), (2, '2025-01-02', 2), (1, '2025-01-01', 6);"
        + FLAWS,
    )
    assert find(database_url, **asked) == found


def test_clip_is_told_with_its_words(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database_url)
    execute(database_url, FLAWS)
    arguments = ["list", "--json", "--sort=oldest", "--database-url", database_url]
    assert main(arguments) == 0
    first, _, third, *_, last = read_lines(capsys)
    created, checked = first.pop("created_at"), first.pop("checked_at")
    assert created.endswith("Z")
    assert checked.endswith("Z")
    assert first == {
        "id": 1,
        "filename": "rise_sun.mp4",
        "mime_type": "video/mp4",
        "bytes": 1,
        "duration_seconds": None,
        "words": ["rise"],
        "languages": ["en"],
        "definitions": 1,
        "questions": 1,
        "views": 0,
        "flaws": [],
    }
    assert third["flaws"] == ["hdr", "of-older-rules"]
    assert (last["words"], last["definitions"], last["flaws"]) == ([], 0, None)


def test_table_has_one_head_and_tells_how_many(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        f" SELECT 'a' || n, 'x' FROM generate_series(1, {PAGE_ROWS + 2}) AS n",
    )
    assert main(["list", "--database-url", database_url]) == 0
    text = capsys.readouterr()
    lines = text.out.splitlines()
    assert len(lines) == PAGE_ROWS + 3
    assert [line.split()[0] for line in lines[:2]] == ["id", f"{PAGE_ROWS + 2}"]
    assert text.err.startswith(f"{PAGE_ROWS + 2:,} clips; – is not known")
    assert main(["list", "--limit=1", "--database-url", database_url]) == 0
    assert capsys.readouterr().err.startswith(f"1 of {PAGE_ROWS + 2:,} clips; ")


def test_columns_stay_in_their_places(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(
        database_url,
        f"INSERT INTO videos (filename, video_data) VALUES ('{'a' * 255}', 'x');"
        "INSERT INTO videos (filename, video_data)"
        f" SELECT 'b' || n, 'x' FROM generate_series(1, {PAGE_ROWS + 2}) AS n;"
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language, video_id) VALUES ('', 'x', 'en', 'de', 3)",
    )
    database = ["--database-url", database_url]
    assert main(["list", "--sort=oldest", *database]) == 0
    head, long, *others = capsys.readouterr().out.splitlines()
    assert "a" * 255 in long
    assert {line.index("1 B") for line in others} == {head.index("bytes") + 2}
    assert others[1].endswith("  “”                        –")
    assert main(["words", *database]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("“” ")


def test_terminal_gets_names_that_fit() -> None:
    columns = {"name": Column(5), "flaws": Column(5)}
    row = {"name": "a long name", "flaws": ["codec", "profile"]}
    assert render_table([row], columns, is_cut=True) == ["a lo…  codec, profile"]


@pytest.mark.parametrize("asked", ["cafe\u0301", "CAF\u00c9"])
def test_accents_are_found_however_they_are_written(
    database_url: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " VALUES ('cafe\u0301.mp4', 'x'), ('caf\u00e9_2.mp4', 'y');"
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language, video_id)"
        " VALUES ('cafe\u0301', 'x', 'fr', 'de', 1), ('caf\u00e9', 'x', 'fr', 'de', 2)",
    )
    assert find(database_url, text=asked) == [2, 1]
    assert find(database_url, word=asked) == [2, 1]
    assert main(["words", asked, "--json", "--database-url", database_url]) == 0
    assert len(read_lines(capsys)) == 2


def test_ten_thousand_clips_are_listed_soon(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT n || '.mp4', 'x' FROM generate_series(1, 10000) AS n;"
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language, video_id)"
        " SELECT 'w' || n, 'x', 'en', 'de', n FROM generate_series(1, 10000) AS n",
    )
    begun = time.monotonic()
    assert len(find(database_url, language="en", sort="name")) == 10_000
    assert time.monotonic() - begun < 5


def test_foreign_table_is_listed(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(empty_url, VIEW)
    assert main(["list", "--json", "--database-url", empty_url]) == 0
    clips = read_lines(capsys)
    assert [(clip["id"], clip["bytes"], clip["words"]) for clip in clips] == [
        (9_000_000_000, 0, None),
        (1, 3, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--word=rise"], "no words"),
        (["list", "--unlinked"], "no words"),
        (["list", "--flaw=codec"], "no table of checks"),
        (["list", "--sort=views"], "no views"),
        (["words"], "no words"),
    ],
)
def test_what_a_foreign_table_lacks_is_told(
    empty_url: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(empty_url, VIEW)
    assert main([*arguments, "--database-url", empty_url]) == 1
    text = capsys.readouterr().err
    assert words in text
    assert "bytereel migrate" in text
    assert text.count("\n") == 1


def test_limit_may_be_of_any_size(database_url: str) -> None:
    fill(database_url)
    arguments = ["list", "--database-url", database_url, "--limit"]
    assert main([*arguments, "9" * 20]) == 0
    assert main([*arguments, "9" * 5000]) == 0


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("moov-after-mdta", "did you mean moov-after-mdat?"),
        ("", "lists all"),
        ("nosuch", "README.md lists all"),
        ("anny", "did you mean any?"),
    ],
)
def test_unknown_flaw_is_refused(database_url: str, flaw: str, words: str) -> None:
    with pytest.raises(Fault, match=re.escape(words)):
        find(database_url, flaw=flaw)


def test_older_schema_is_listed(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database_url)
    undo_migrations(database_url, "0011_create_checks")
    assert find(database_url, word="rise") == [3, 2, 1]
    assert main(["list", "--flaw=any", "--database-url", database_url]) == 1
    assert "bytereel migrate" in capsys.readouterr().err


def test_no_database_schema_gets_one_sentence(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--database-url", empty_url]) == 1
    assert "bytereel migrate" in capsys.readouterr().err


def test_flaw_that_nobody_looked_for_is_told(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["list", "--flaw=codec", "--database-url", database_url]
    assert main(arguments) == 0
    assert "check --all" not in capsys.readouterr().err  # there is no clip
    fill(database_url)
    assert main(arguments) == 0
    assert "check --all" in capsys.readouterr().err
