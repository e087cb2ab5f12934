"""A small library, and ways to ask for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conftest import execute, insert_video
from tests.postgres.test_schema import run as ask

if TYPE_CHECKING:
    import pytest

DEFINITIONS = """
INSERT INTO definitions
    (id, word, definition_text, learning_language, native_language)
VALUES (1, 'rise', 'steigen', 'en', 'de'), (2, 'rise', '上升', 'en', 'zh'),
       (3, 'Reis', 'rice', 'de', 'en'), (4, 'sad', 'traurig', 'en', 'de');
INSERT INTO test_questions (id, definition_id, question_text, choices, correct_answer)
VALUES (7, 1, 'What?', '["A", "B"]', 'A'), (8, 3, 'Was?', '[]', 'A');
"""
NAMES = ["rise_sun.mp4", "b.mp4", "42", "Reis.mp4", "lonely.mp4"]
"""Videos 1 to 5, of so many bytes; the last one is shown by nothing."""
LINKS = """
UPDATE definitions SET video_id = 1 WHERE id = 1;
INSERT INTO definition_videos VALUES (1, 1, 2), (1, 2, 3);
UPDATE definitions SET video_id = 2 WHERE id = 2;
UPDATE definitions SET video_id = 4 WHERE id = 3;
UPDATE test_questions SET video_id = 3 WHERE id = 7;
INSERT INTO question_videos VALUES (7, 1, 1);
"""


def fill(url: str) -> None:
    """Fill a database with words, videos that are none, and links."""
    execute(url, DEFINITIONS)
    for number, name in enumerate(NAMES, 1):
        insert_video(url, name, b"%d" % number * number)
    execute(url, LINKS)


def read_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what a command printed as JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def list_shown(url: str) -> dict[str, list[int]]:
    """Return the videos of each definition and question that has any, in order."""
    rows = ask(
        url,
        "SELECT kind || id, array_agg(video_id ORDER BY position) FROM ("
        " SELECT 'd' AS kind, id, 0 AS position, video_id FROM definitions UNION ALL"
        " SELECT 'd', definition_id, position, video_id FROM definition_videos"
        " UNION ALL SELECT 'q', id, 0, video_id FROM test_questions UNION ALL"
        " SELECT 'q', question_id, position, video_id FROM question_videos) AS shown"
        " WHERE video_id IS NOT NULL GROUP BY kind, id",
    )
    return dict(rows)
