from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing

import psycopg2
import pytest

from server.cli import main
from server.library.clips.check import Limits
from server.library.report import render_rows, show_bytes
from server.library.upkeep.stats import PARTS, read_stats, render_stats
from server.postgres.queries import queries
from tests.command import ROOT
from tests.conftest import execute, insert_video
from tests.postgres.test_schema import BYTES

WORDS = """
INSERT INTO definitions
    (id, word, definition_text, learning_language, native_language, video_id)
VALUES (1, 'rise', 'steigen', 'en', 'de', 1), (2, 'rise', '上升', 'en', 'zh', NULL),
       (3, 'sink', 'sinken', 'en', 'de', NULL), (4, 'eau', 'Wasser', 'fr', 'de', 1);
INSERT INTO definition_videos VALUES (2, 1, 2), (1, 1, 2);
INSERT INTO test_questions
    (definition_id, question_text, choices, correct_answer, video_id)
VALUES (1, 'What?', '[]', 'A', 1), (1, 'Why?', '[]', 'A', NULL);
INSERT INTO question_videos VALUES (2, 1, 3);
UPDATE videos SET duration_seconds = 12 WHERE id = 2;
UPDATE videos SET duration_seconds = 10 WHERE id = 3;
INSERT INTO verifications VALUES
    (1, '2026-01-02 03:04:05Z', NULL), (2, '2026-01-03Z', 'bad'), (99, now(), NULL);
"""
VIEWS = """
INSERT INTO video_views
SELECT video_id, (now() AT TIME ZONE 'UTC')::date - ago, started, 3, 2, completed
  FROM (VALUES (1, 0, 8, 2), (1, 6, 4, 3), (2, 7, 20, 0), (2, 27, 1, 1), (3, 28, 99, 9),
               (4, 28, 5, 5)) AS counted (video_id, ago, started, completed);
"""
PLAYED = """
INSERT INTO playback
SELECT (now() AT TIME ZONE 'UTC')::date - ago, video_id, 0, network, plays, stalls,
       9, 90, 400, 0, 0, 0, 0, 0, first_frames
  FROM (VALUES (0, 1, '4g', 4, 0, ARRAY[0, 4]), (1, 2, '4g', 1, 2, ARRAY[0, 0]),
               (27, 1, 'wifi', 2, 0, ARRAY[2]), (28, 1, 'wifi', 9, 9, ARRAY[0, 9]))
       AS counted (ago, video_id, network, plays, stalls, first_frames);
"""
NAMES = ["a.mp4", "b.mp4", "c.mp4", "copy\u202e.mp4", "b2.mp4"]
SIZES = [300, 100, 6_000, 6_000, 100]


@pytest.fixture
def url(database_url: str) -> str:
    for name, size in zip(NAMES, SIZES, strict=True):
        insert_video(database_url, name, bytes(size))
    execute(database_url, WORDS)
    return database_url


def test_stats_count_what_is_there(url: str) -> None:
    parts = read_stats(url, Limits(seconds=11, megabytes=0.005)).as_json()
    assert parts["videos"] == {
        "clips": 5,
        "bytes": 12_500,
        "average_bytes": 2_500,
        "largest_bytes": 6_000,
        "seconds": 22,
        "average_seconds": 11.0,
    }
    assert parts["links"] == {"definitions": 3, "questions": 2, "clips": 3}
    assert parts["languages"] == [
        {"language": "en", "words": 2, "with_clip": 1, "clips": 2},
        {"language": "fr", "words": 1, "with_clip": 1, "clips": 1},
    ]
    assert parts["most_used"] == [
        {"id": 1, "filename": "a.mp4", "definitions": 2, "questions": 1},
        {"id": 2, "filename": "b.mp4", "definitions": 2, "questions": 0},
        {"id": 3, "filename": "c.mp4", "definitions": 0, "questions": 1},
    ]
    assert parts["over_limits"] == [
        {"id": 3, "filename": "c.mp4", "bytes": 6_000, "seconds": 10},
        {"id": 4, "filename": "copy\u202e.mp4", "bytes": 6_000, "seconds": None},
        {"id": 2, "filename": "b.mp4", "bytes": 100, "seconds": 12},
    ]
    assert parts["duplicates"] == [
        {"ids": [3, 4], "filenames": ["c.mp4", "copy\u202e.mp4"], "spare_bytes": 6_000},
        {"ids": [2, 5], "filenames": ["b.mp4", "b2.mp4"], "spare_bytes": 100},
    ]
    assert parts["unlinked"] == [
        {"id": 4, "filename": "copy\u202e.mp4"},
        {"id": 5, "filename": "b2.mp4"},
    ]
    assert parts["skipped"] == {}


def test_stats_tell_what_was_verified_of_what_is_there(url: str) -> None:
    [row] = read_stats(url).parts["verified"]
    assert (row["clips"], row["damaged"]) == (2, 1)
    assert str(row["oldest"]).startswith("2026-01-02 03:04:05")


def test_stats_tell_the_languages_of_captions(url: str) -> None:
    execute(
        url,
        "INSERT INTO captions VALUES (1, 'de', 'ä'), (1, 'en', 'b'), (2, 'en', 'cc')",
    )
    assert read_stats(url).as_json()["captions"] == [
        {"language": "en", "clips": 2, "bytes": 3},
        {"language": "de", "clips": 1, "bytes": 2},
    ]


def test_stats_tell_what_was_watched(url: str) -> None:
    none = [(1, 0, 0, 0, 0, None), (7, 0, 0, 0, 0, None), (28, 0, 0, 0, 0, None)]
    parts = read_stats(url).parts
    assert [tuple(row.values()) for row in parts["views"]] == none
    assert parts["most_viewed"] == []
    execute(url, VIEWS)
    parts = read_stats(url).parts
    assert list(parts["views"][0]) == [
        *("days", "started", "quarter", "half", "completed", "completed_percent")
    ]
    assert [tuple(row.values()) for row in parts["views"]] == [
        (1, 8, 3, 2, 2, 25.0),
        (7, 12, 6, 4, 5, 41.7),
        (28, 33, 12, 8, 6, 18.2),
    ]
    assert [tuple(row.values()) for row in parts["most_viewed"]] == [
        (2, "b.mp4", 21, 1, 4.8),
        (1, "a.mp4", 12, 5, 41.7),
    ]


def test_stats_tell_how_clips_played(url: str) -> None:
    empty = read_stats(url).parts
    assert empty["playback"] == empty["most_troubled"] == []
    execute(url, PLAYED)
    parts = read_stats(url).parts
    names = ("plays", "without_picture", "first_frame_median_ms", "stalls_per_play")
    for part, rows in (
        ("playback", [("4g", 5, 1, 125, 0.4), ("wifi", 2, 0, 50, 0.0)]),
        ("most_troubled", [("b.mp4", 1, 1, None, 2.0), ("a.mp4", 6, 0, 113, 0.0)]),
    ):
        assert "video_id" not in parts[part][0]
        assert [tuple(row[n] for n in ("name", *names)) for row in parts[part]] == rows


def test_stats_tell_what_lies_on_disk(database_url: str) -> None:
    insert_video(database_url, "a.mp4", BYTES)
    [row] = read_stats(database_url).parts["disk"]
    numbers = {name: int(str(value)) for name, value in row.items()}
    assert len(BYTES) < numbers["toast_bytes"] < numbers["bytes"]
    assert numbers["rows_bytes"] == 8192
    assert numbers["index_bytes"] > 0


def test_stats_of_nothing_are_zero(database_url: str) -> None:
    stats = read_stats(database_url)
    assert stats.parts["videos"][0]["clips"] == 0
    assert "none" in "\n".join(render_stats(stats))


VIEW = """
CREATE TABLE attachments (
    key bigint PRIMARY KEY, title text, body bytea, uploaded timestamptz);
CREATE VIEW videos AS
SELECT key AS id, title AS filename, 'video/mp4' AS mime_type, body AS video_data,
       uploaded AS created_at FROM attachments;
INSERT INTO attachments VALUES (5000000000, 'mine', 'abc', now());
"""


def test_stats_of_a_view_are_what_can_be_told(empty_url: str) -> None:
    execute(empty_url, VIEW)
    stats = read_stats(empty_url)
    assert stats.parts["videos"][0]["clips"] == 1
    assert stats.parts["videos"][0]["seconds"] is None
    assert stats.parts["disk"] == []
    assert "definitions" in stats.skipped["links"]
    assert "sha256" in stats.skipped["duplicates"]
    assert 'no duplicates: column "sha256" does not exist' in render_stats(stats)


@pytest.mark.parametrize(
    "name",
    [
        *(part.query for part in PARTS.values()),
        *(name for name in queries() if name.startswith("find_wrong_")),
        *("find_compressed", "find_bloat", "list_digests", "list_filenames"),
    ],
)
def test_numbers_are_read_without_the_bytes(library: str, name: str) -> None:
    values = {"bytes": 1, "seconds": 1, "ids": None, "by": "video", "bounds": [100]}
    with closing(psycopg2.connect(library)) as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {queries()[name]}", values
        )
        [[[answer]]] = cursor.fetchall()
        plan = answer["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 250
        cursor.execute("SELECT sum(length(video_data || '')) / 8192 > 1500 FROM videos")
        assert cursor.fetchone() == (True,)


@pytest.fixture(scope="module")
def library(cluster: str, template: str) -> str:
    """Return the URL of a database with 12 MB of videos."""
    admin = cluster.format(database="postgres")
    execute(admin, f"CREATE DATABASE numbers TEMPLATE {template}")
    url = cluster.format(database="numbers")
    for number in range(10):
        insert_video(url, f"{number}.mp4", BYTES)
    return url


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (3_145_728, "3.15 MB"),
        (30_000_000_000, "30 GB"),
        (5 * 10**15, "5 PB"),
    ],
)
def test_bytes_are_shown_in_a_unit(count: int, text: str) -> None:
    assert show_bytes(count) == text


def test_table_shows_the_first_rows_on_a_line_each() -> None:
    rows = [
        {"id": 1000 + number, "filename": "a\n\u202e", "bytes": 1_500, "uses": 1_000}
        for number in range(5)
    ]
    assert render_rows(rows, 2) == [
        "  id  filename    bytes   uses",
        "1000  a\\n\\u202e  1.5 kB  1,000",
        "1001  a\\n\\u202e  1.5 kB  1,000",
        "… and 3 more (all with --json)",
    ]


def test_command_prints_tables_or_an_object(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", "--database-url", url]) == 0
    text = capsys.readouterr().out
    assert "Same bytes (2)" in text
    assert "copy\\u202e.mp4" in text
    assert "2026-01-02 03:04:05" in text
    assert main(["stats", "--json", "--database-url", url]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert parts["videos"]["clips"] == 5


def test_reader_may_leave_early(url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "stats", "--database-url", url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == ""
    assert process.wait() == 128 + signal.SIGPIPE


def test_stats_need_videos(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--database-url", empty_url]) == 1
    assert "run bytereel migrate" in capsys.readouterr().err
