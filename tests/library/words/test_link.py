from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from threading import Thread

import psycopg2
import pytest

from server.cli import main
from server.errors import Fault
from server.library.words.link import link, unlink
from server.library.words.naming import word_candidates, word_key
from server.library.words.showing import add_video
from server.library.words.suggest import quote, suggest
from server.library.words.target import LinkTarget
from server.postgres.refusals import opening
from tests.conftest import execute, insert_video
from tests.postgres.test_schema import run as ask

DEFINITIONS = """
INSERT INTO definitions
    (id, word, definition_text, learning_language, native_language)
VALUES (1, 'rise', 'steigen', 'en', 'de'), (2, 'rise', '上升', 'en', 'zh'),
       (3, 'rise', 'Reis', 'nl', 'de'), (4, 'ice cream', 'Eis', 'en', 'de'),
       (5, 'ice-cream', 'Eis-', 'en', 'de'), (6, E'a\\n''\\u202eb', 'x', 'en', 'de');
INSERT INTO test_questions (id, definition_id, question_text, choices, correct_answer)
VALUES (7, 1, 'What?', '[]', 'A');
"""
NAMES = ["rise_sun.mp4", "rise.mp4", "42", 'a"\u202eb.mp4']
"""Videos 1 to 4."""


@pytest.fixture(scope="module")
def database(cluster: str, template: str) -> str:
    """Return the URL of a database of this module."""
    admin = cluster.format(database="postgres")
    execute(admin, f"CREATE DATABASE links TEMPLATE {template}")
    return cluster.format(database="links")


@pytest.fixture
def url(database: str) -> str:
    """Return its URL, with the same rows for each test."""
    tables = "videos, definitions, test_questions, definition_videos, question_videos"
    execute(database, f"TRUNCATE {tables} RESTART IDENTITY CASCADE; {DEFINITIONS}")
    for name in NAMES:
        insert_video(database, name, name.encode())
    return database


Run = Callable[..., str]


@pytest.fixture
def run(url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command here and returns what it printed."""

    def run(*arguments: str, status: int = 0) -> str:
        assert main([*arguments, "--database-url", url]) == status
        return "".join(capsys.readouterr())

    return run


def list_shown(url: str) -> dict[str, list[int]]:
    """Return the videos of each definition and question that has any."""
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


@pytest.mark.parametrize(
    ("filename", "keys"),
    [
        ("beautiful_sunset.mp4", ["beautiful sunset", "beautiful"]),
        ("beautiful.mp4", ["beautiful"]),
        ("Beautiful.MOV", ["beautiful"]),
        ("ice-cream_cone.mp4", ["ice cream cone", "ice cream"]),
        ("ice_cream_cone.mp4", ["ice cream cone", "ice cream", "ice"]),
        ("ice cream_2.m4v", ["ice cream 2", "ice cream"]),
        ("en/rise_sun.webm", ["rise sun", "rise"]),
        ("e.g.mp4", ["e.g"]),
        ("don\u2019t_go.mp4", ["don't go", "don't"]),
        ("u\u0308ber_.mp4", ["über"]),
        ("STRASSE.mp4", ["strasse"]),
        ("_.mp4", []),
        ("", []),
    ],
)
def test_name_tells_words_the_longest_first(filename: str, keys: list[str]) -> None:
    assert word_candidates(filename) == keys


@pytest.mark.parametrize(
    "word", ["Ice cream", "ice-cream", "ice_cream", " ice  cream ", "ice\u2011cream"]
)
def test_key_is_the_same_for_all_ways_to_write_a_word(word: str) -> None:
    assert word_key(word) == "ice cream"


@pytest.mark.parametrize(
    ("videos", "replace", "after"),
    [
        ([], False, [9]),
        ([1], False, [1, 9]),
        ([1, 9, 2], False, [1, 9, 2]),
        ([1, 2], True, [9]),
        ([9], True, [9]),
    ],
)
def test_video_is_added_once(
    videos: list[int], replace: bool, after: list[int]
) -> None:
    assert add_video(videos, 9, replace=replace) == after


@pytest.mark.parametrize("text", ["rise", "it's", "a\n'\\\u202eb", "-x", "$(id)", ""])
def test_quoted_text_is_read_by_a_shell_as_it_was(text: str) -> None:
    assert quote(text).isprintable()
    command = ["bash", "-c", f"printf %s {quote(text)}"]
    done = subprocess.run(
        command, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode() == text


@pytest.mark.parametrize(
    ("video", "video_id"),
    [("1", 1), ("rise.mp4", 2), ("./rise.mp4", 2), ("./42", 3), ('a"\u202eb.mp4', 4)],
)
def test_video_is_an_id_or_a_file_name(url: str, video: str, video_id: int) -> None:
    [done] = link(url, video, LinkTarget(definition=1))
    assert (done.status, done.video_id) == ("linked", video_id)
    assert list_shown(url) == {"d1": [video_id]}


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (LinkTarget("rise", "en"), {"d1": [1], "d2": [1]}),
        (LinkTarget("rise", "en", "zh"), {"d2": [1]}),
        (LinkTarget(definition=3), {"d3": [1]}),
        (LinkTarget(question=7), {"q7": [1]}),
    ],
)
def test_target_shows_the_video(
    url: str, target: LinkTarget, shown: dict[str, list[int]]
) -> None:
    links = link(url, "1", target)
    assert list_shown(url) == shown
    assert [f"{each.kind[0]}{each.id}" for each in links] == list(shown)


@pytest.mark.parametrize("target", [LinkTarget(definition=1), LinkTarget(question=7)])
def test_further_videos_stand_behind_the_first(url: str, target: LinkTarget) -> None:
    for video in "2", "1", "4", "1":
        [done] = link(url, video, target)
    assert (done.status, done.videos) == ("exists", [2, 1, 4])
    assert list(list_shown(url).values()) == [[2, 1, 4]]
    unlink(url, "2", target)
    assert list(list_shown(url).values()) == [[1, 4]]
    link(url, "2", target)
    [done] = unlink(url, "4", target)
    assert done.videos == [1, 2]
    assert list(list_shown(url).values()) == [[1, 2]]
    link(url, "4", target, replace=True)
    assert list(list_shown(url).values()) == [[4]]


def test_first_video_that_was_deleted_makes_room(url: str) -> None:
    for video in "1", "2", "3":
        link(url, video, LinkTarget(definition=1))
    execute(url, "DELETE FROM videos WHERE id = 1")
    link(url, "4", LinkTarget(definition=1))
    assert list_shown(url) == {"d1": [2, 3, 4]}


def test_unlinking_leaves_the_others(url: str) -> None:
    for target in (
        LinkTarget("rise", "en"),
        LinkTarget(question=7),
        LinkTarget(definition=4),
    ):
        link(url, "1", target)
    link(url, "2", LinkTarget("rise", "en"))
    unlink(url, "1", LinkTarget("rise", "en", "de"))
    assert list_shown(url) == {"d1": [2], "d2": [1, 2], "q7": [1], "d4": [1]}
    links = unlink(url, "1", LinkTarget())
    assert [each.status for each in links] == ["unlinked"] * 3
    assert list_shown(url) == {"d1": [2], "d2": [2]}
    assert unlink(url, "1", LinkTarget()) == []


def test_link_to_a_video_that_is_gone_can_be_taken_away(database_url: str) -> None:
    execute(
        database_url,
        "ALTER TABLE definitions DROP CONSTRAINT definitions_video_id_fkey;"
        f"{DEFINITIONS}; UPDATE definitions SET video_id = 99 WHERE id = 1",
    )
    [done] = unlink(database_url, "99", LinkTarget())
    assert (done.filename, list_shown(database_url)) == (None, {})


def test_links_made_at_the_same_time_are_both_kept(url: str) -> None:
    link(url, "1", LinkTarget(definition=1))
    wait = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    thread = Thread(target=link, args=(url, "2", LinkTarget(definition=1)))
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM definitions WHERE id = 1 FOR UPDATE")
        cursor.execute("INSERT INTO definition_videos VALUES (1, 1, 4)")
        thread.start()
        while ask(url, wait) != [(1,)]:
            time.sleep(0.01)
        other.commit()
        thread.join()
    assert list_shown(url) == {"d1": [1, 4, 2]}


@pytest.mark.parametrize(
    ("video", "target", "words"),
    [
        ("9", LinkTarget(definition=1), "no video 9"),
        ("9" * 30, LinkTarget(definition=1), "no video 999"),
        ("5\n.mp4", LinkTarget(definition=1), r"no video 5\n.mp4"),
        ("1", LinkTarget(), "--word W"),
        ("1", LinkTarget("rise"), "--language"),
        ("1", LinkTarget(language="en"), "--word"),
        ("1", LinkTarget(native="de", definition=1), "--native"),
        ("1", LinkTarget("rise", "en", definition=1), "exclude"),
        ("1", LinkTarget(definition=999), "no definition 999"),
        ("1", LinkTarget(question=999), "no question 999"),
        ("1", LinkTarget("Rise", "en"), "there is “rise” (en for de); “rise”"),
        ("1", LinkTarget("rise", "fr"), "there is “rise” (en for de)"),
        ("1", LinkTarget("sink", "en"), "“sink” (en): add the definition first"),
    ],
)
def test_what_cannot_be_linked_gets_one_sentence(
    url: str, video: str, target: LinkTarget, words: str
) -> None:
    with pytest.raises(Fault) as caught:
        link(url, video, target)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list_shown(url) == {}


def test_lost_connection_is_told(database_url: str) -> None:
    stop = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def lose() -> None:
        with opening(database_url) as connection, connection.cursor() as cursor:
            execute(database_url, stop)
            cursor.execute("SELECT")

    with pytest.raises(Fault, match="was lost"):
        lose()


def test_database_without_the_tables_is_told(empty_url: str) -> None:
    with pytest.raises(Fault, match="bytereel migrate"):
        link(empty_url, "1", LinkTarget(definition=1))


def test_suggestions_are_the_words_of_unlinked_names(url: str) -> None:
    for name in "ice-cream_cone.mp4", "a_'\u202eb.mp4":
        insert_video(url, name, name.encode())
    link(url, "1", LinkTarget(definition=1))
    found = {each.filename: each for each in suggest(url)}
    assert list(found) == [*NAMES[1:], "ice-cream_cone.mp4", "a_'\u202eb.mp4"]
    assert [word[:2] for word in found["rise.mp4"].words] == [
        ("rise", "en"),
        ("rise", "nl"),
    ]
    assert [word.command for word in found["ice-cream_cone.mp4"].words] == [
        "bytereel link 5 --word='ice cream' --language=en",
        "bytereel link 5 --word=ice-cream --language=en",
    ]
    assert [word.word for word in found["a_'\u202eb.mp4"].words] == ["a\n'\u202eb"]
    assert [word.language for word in suggest(url, "nl")[0].words] == ["nl"]


def test_suggested_commands_do_what_they_say(url: str, run: Run) -> None:
    text = run("link", "--suggest", "--language", "nl")
    [command] = [line for line in text.splitlines() if not line.startswith("#")][:1]
    assert 'a"\\u202eb.mp4: no word' in text
    arguments = shlex.split(command, comments=True)[1:]
    assert run(*arguments).startswith("linked  1 rise_sun.mp4")
    assert list_shown(url) == {"d3": [1]}
    rows = run("link", "--suggest", "--json").splitlines()
    assert json.loads(rows[0])["words"][0]["word"] == "rise"


def test_commands_tell_what_they_did(run: Run) -> None:
    where = ("--word", "rise", "--language", "en")
    run("link", "1", *where)
    text = run("link", "rise.mp4", *where)
    assert text.splitlines() == [
        "linked  2 rise.mp4  definition 1 “rise” (en for de), which also shows 1",
        "linked  2 rise.mp4  definition 2 “rise” (en for zh), which also shows 1",
    ]
    assert run("link", "2", *where).startswith("exists  2 rise.mp4")
    [row, _] = map(json.loads, run("unlink", "1", "--json", *where).splitlines())
    assert (row["status"], row["videos"]) == ("unlinked", [2])
    assert run("unlink", "1") == "1 was not linked there.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["link"], "--suggest"),
        (["link", "1", "--suggest"], "--suggest takes only"),
        (["unlink", "1", "--word", "rise"], "--language"),
    ],
)
def test_wrong_arguments_get_one_sentence(
    run: Run, arguments: list[str], words: str
) -> None:
    text = run(*arguments, status=1)
    assert words in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["link", "1", "--definition", "1_0"], "is not an id"),
        (["link", "1", "--definition", "9" * 5000], "is not an id"),
        (["link", "\udcff.mp4", "--definition", "1"], "not UTF-8"),
    ],
)
def test_wrong_flags_end_with_status_two(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err
