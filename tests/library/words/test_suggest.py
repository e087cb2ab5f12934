from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from server.cli import main
from server.errors import Fault
from server.library.words.naming import LEAST_SCORE, SURE_SCORE
from server.library.words.suggest import (
    Suggestion,
    UnlinkedClip,
    apply_suggestions,
    choose_words,
    suggest,
)
from tests.conftest import execute, insert_video
from tests.library.words.made_up import list_names, list_words
from tests.postgres.test_schema import run as ask
from tests.test_readme import README


@pytest.fixture(scope="module")
def made_up(cluster: str, template: str) -> list[UnlinkedClip]:
    """Return the suggestions for the made-up names."""
    execute(
        cluster.format(database="postgres"),
        f"CREATE DATABASE made_up TEMPLATE {template}",
    )
    url = cluster.format(database="made_up")
    insert_words(url, list_words())
    for name, _ in list_names():
        insert_video(url, name, b"x")
    return suggest(url)


def insert_words(url: str, words: list[tuple[str, str]]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO definitions"
            " (word, definition_text, learning_language, native_language)"
            " VALUES (%s, '–', %s, 'xx')",
            words,
        )
        connection.commit()


def count_right(clips: list[UnlinkedClip], least: float) -> tuple[int, int, int]:
    """Return how many first words are right, how many there are, how many should be."""
    meant = dict(list_names())
    first = {
        clip.filename: clip.words[0].word
        for clip in clips
        if clip.words and clip.words[0].score >= least
    }
    right = sum(meant[name] == word for name, word in first.items())
    return right, len(first), sum(word is not None for word in meant.values())


@pytest.mark.parametrize(
    ("least", "precision", "recall"),
    [(LEAST_SCORE, 0.9, 0.95), (SURE_SCORE, 0.98, 0.8)],
)
def test_made_up_names_get_their_words(
    made_up: list[UnlinkedClip], least: float, precision: float, recall: float
) -> None:
    right, said, meant = count_right(made_up, least)
    assert len(made_up) == len(dict(list_names())) == 200
    assert right / said >= precision
    assert right / meant >= recall


def test_readme_states_precision_and_recall(made_up: list[UnlinkedClip]) -> None:
    readme = " ".join(README.split())
    right, said, meant = count_right(made_up, LEAST_SCORE)
    words = len(list_words())
    languages = len({language for _, language in list_words()})
    assert (
        f"On 200 made-up names, {meant} of which are for one of {words} words in "
        f"{languages} languages, the first suggestion is right for {right} of the "
        f"{meant} and wrong for {said - right} of all (precision {right / said:.2f}, "
        f"recall {right / meant:.2f})"
    ) in readme
    right, said, _ = count_right(made_up, SURE_SCORE)
    assert (
        f"With a score of {SURE_SCORE} or more it is right for {right} and wrong for "
        f"{said - right or 'none'} (precision {right / said:.2f}, recall "
        f"{right / meant:.2f})"
    ) in readme


def test_best_comes_first_with_its_reason(made_up: list[UnlinkedClip]) -> None:
    found = {clip.filename: clip.words for clip in made_up}
    assert [word[:4] for word in found["ice_creem.mp4"]] == [
        ("ice cream", "en", 0.88, "a typing error"),
        ("ice", "en", 0.82, "at the beginning of the name"),
    ]
    assert found["IMG_2034.mp4"] == []
    for words in found.values():
        scores = [word.score for word in words]
        assert scores == sorted(scores, reverse=True)
        assert all(LEAST_SCORE <= score <= 1 for score in scores)


def suggestion(word: str, language: str, score: float) -> Suggestion:
    return Suggestion(word, language, score, "", "")


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], 0),
        ([("run", "en", 0.89)], 0),
        ([("run", "en", 0.9), ("ran", "en", 0.89)], 1),
        ([("ice cream", "en", 1), ("ice-cream", "en", 1), ("ice", "en", 0.9)], 2),
        ([("rise", "en", 1), ("rise", "nl", 1)], 0),
        ([("cart", "en", 0.95), ("card", "en", 0.95)], 0),
    ],
)
def test_best_is_taken_if_it_is_one_word(
    words: list[tuple[str, str, float]], chosen: int
) -> None:
    suggestions = [suggestion(*word) for word in words]
    assert choose_words(suggestions, 0.9) == suggestions[:chosen]


NAMES = ["houses_1.mp4", "rise.mp4", "sunsett.mp4", "IMG_1.mp4", "ice cream.mp4"]
"""Videos 1 to 5."""


@pytest.fixture
def url(database_url: str) -> str:
    """Return the URL of a database with some words and videos."""
    rise = [("rise", "en"), ("rise", "nl")]
    ice = [("ice cream", "en"), ("ice-cream", "en")]
    insert_words(database_url, [("house", "en"), *rise, ("sunset", "en"), *ice])
    for name in NAMES:
        insert_video(database_url, name, name.encode())
    return database_url


Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command here and returns what it printed on each stream."""

    def run(*arguments: str, status: int = 0) -> tuple[str, str]:
        assert main([*arguments, "--database-url", url]) == status
        return capsys.readouterr()

    return run


def list_shown(url: str) -> list[tuple[str, str, int]]:
    """Return word, language and video of each definition that has one."""
    return ask(
        url,
        "SELECT word, learning_language, video_id FROM definitions"
        " WHERE video_id IS NOT NULL ORDER BY word, learning_language",
    )


SURE = [("house", "en", 1), ("ice cream", "en", 5), ("ice-cream", "en", 5)]


def test_all_above_a_score_are_linked(url: str, run: Run) -> None:
    out, err = run("link", "--suggest", "--apply")
    assert out.splitlines() == [
        "linked  1 houses_1.mp4  definition 1 “house” (en for xx)  0.94 another ending",
        "linked  5 ice cream.mp4  definition 5 “ice cream” (en for xx)  "
        "1.00 the same name",
        "linked  5 ice cream.mp4  definition 6 “ice-cream” (en for xx)  "
        "1.00 the same name",
    ]
    assert err == (
        "2 of 5 unlinked videos have a word; the others have none of 0.9 or more, "
        "or several\n"
    )
    assert list_shown(url) == SURE
    out, _ = run("link", "--suggest", "--apply=0.8", "--language=en", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["status"], row["video_id"], row["score"]) for row in rows] == [
        ("linked", 2, 1.0),
        ("linked", 3, 0.86),
    ]
    assert rows[1]["reason"] == "a typing error"
    out, err = run("link", "--suggest", "--apply", "--language=nl")
    assert (out, err[:6]) == ("", "0 of 1")


def test_dry_run_links_nothing(url: str, run: Run) -> None:
    out, err = run("link", "--suggest", "--apply", "--dry-run", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [
        (row["word"], row["learning_language"], row["video_id"]) for row in rows
    ] == (SURE)
    assert {row["status"] for row in rows} == {"would-link"}
    assert err.startswith("2 of 5")
    assert list_shown(url) == []


def test_nothing_is_linked_if_one_link_fails(url: str) -> None:
    execute(
        url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'not this one'; END $$;"
        " CREATE TRIGGER refuse BEFORE UPDATE ON definitions FOR EACH ROW"
        " WHEN (NEW.video_id = 5) EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(Fault, match="not this one"):
        apply_suggestions(url, None, 0.9)
    assert list_shown(url) == []


def test_listed_command_links_what_it_stands_for(url: str, run: Run) -> None:
    out, _ = run("link", "--suggest")
    lines = out.splitlines()
    assert lines[0] == "# 1  houses_1.mp4"
    assert lines[1] == (
        "bytereel link 1 --word=house --language=en "
        f"--database-url={shlex.quote(url)}  # 0.94 another ending"
    )
    assert "# 4  IMG_1.mp4: no word is like this name" in lines
    run(*shlex.split(lines[1], comments=True)[1:])
    assert list_shown(url) == [("house", "en", 1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--apply"], "go with --suggest"),
        (["1", "--word=rise", "--language=en", "--dry-run"], "go with --suggest"),
        (["--suggest", "--dry-run"], "leave out --dry-run"),
        (["1", "--suggest", "--apply"], "--suggest takes only"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    url: str, run: Run, arguments: list[str], words: str
) -> None:
    _, err = run("link", *arguments, status=1)
    assert words in err
    assert err.count("\n") == 1
    assert list_shown(url) == []


@pytest.mark.parametrize("flag", ["", "--json"])
def test_password_is_not_printed(
    url: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = f"{url}&password=hush"
    assert main(["link", "--suggest", "--database-url", secret, *flag.split()]) == 0
    out, err = capsys.readouterr()
    assert "hush" not in out + err
    assert "# add --database-url to each command" in (err if flag else out)
    assert "bytereel link 1 --word=house --language=en" in out


def test_database_of_the_environment_needs_no_flag(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["link", "--suggest"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("bytereel link 1 --word=house --language=en  # ")


@pytest.mark.parametrize("score", ["0.59", "1.01", "nan", "all", "90%", ""])
def test_score_that_no_suggestion_can_have_is_refused(
    score: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["link", "--suggest", f"--apply={score}"])
    assert "is not a score from 0.6 to 1" in capsys.readouterr().err
