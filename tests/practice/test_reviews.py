"""Answers over HTTP: kept once, none lost, each fault named."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
from aiohttp import ClientSession

from server.api.bodies import BODY_MAX
from server.app import build_app
from server.library.upkeep.doctor import diagnose
from server.postgres import migrations
from server.postgres.pool import Database, DatabaseAway
from server.postgres.queries import queries
from server.practice.reviews import IN_VAIN_MAX, keep_review, warn_of_odd_cards
from server.practice.submission import Submission
from server.reading.store import STORE
from server.serving.listen import answering, bind
from tests.conftest import Served, serve_database
from tests.postgres.test_migrations import WORDS
from tests.postgres.test_schema import run
from tests.practice.test_batch import EXAMPLE_2, LEARNER, read_words
from tests.waiting import until
from tests.wire import connect

if TYPE_CHECKING:
    from server.library.upkeep.findings import Finding

RIGHT = {
    "user_id": LEARNER,
    "saved_word_id": 12345,
    "question_id": 500,
    "answer": "A",
}
ANOTHER = "550e8400-e29b-41d4-a716-446655440001"
JSON = {"Content-Type": "application/json"}
HISTORY = (
    "SELECT saved_word_id, question_id, answer, correct_answer, reviewed_at,"
    " next_review_date FROM practice_reviews ORDER BY received_at"
)

Outcome = tuple[int, dict[str, Any]]


@pytest.fixture
def example(served: Served) -> Served:
    """Return a server with the words of the plan's example."""
    run(served.database_url, EXAMPLE_2)
    return served


async def send(
    served: Served,
    data: bytes,
    headers: dict[str, str] = JSON,
    chunked: bool | None = None,
) -> Outcome:
    """Return the status and JSON of the answer to a POST."""
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.post(
            "/v3/reviews", data=data, headers=headers, chunked=chunked
        ) as answer,
    ):
        kept = "private, no-store" if answer.status == 200 else "no-store"
        assert answer.headers["Cache-Control"] == kept
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        return answer.status, await answer.json()


async def review(served: Served, **changes: Any) -> Outcome:
    return await send(served, json.dumps({**RIGHT, **changes}).encode())


async def refusal(served: Served, status: int, **changes: Any) -> str:
    found, answer = await review(served, **changes)
    assert (found, list(answer)) == (status, ["error"])
    assert run(served.database_url, "TABLE practice_reviews") == []
    return str(answer["error"])


@pytest.mark.parametrize(
    ("answer", "correct", "minutes"), [("A", True, 10), ("B", False, 1)]
)
async def test_answer_moves_its_word(
    example: Served, answer: str, correct: bool, minutes: int
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    status, outcome = await review(example, answer=answer)
    assert status == 200
    assert list(outcome) == ["correct", "correct_answer", "next_review_date"]
    assert outcome["correct"] is correct
    assert outcome["correct_answer"] == "A"
    # as strict as JSONDecoder's own .iso8601: no fractions of a second
    due = datetime.strptime(outcome["next_review_date"], "%Y-%m-%dT%H:%M:%S%z")
    wait = timedelta(minutes=minutes)
    assert before <= due - wait <= datetime.now(UTC)
    [(*kept, reviewed_at, next_date)] = run(example.database_url, HISTORY)
    assert kept == [12345, 500, answer, "A"]
    assert next_date == due == (reviewed_at + wait).replace(microsecond=0)
    dates = "SELECT next_review_date FROM saved_words ORDER BY id"
    assert run(example.database_url, dates)[0] == (due,)
    assert [word["word"] for word in await read_words(example)] == ["run"]


async def test_answers_build_on_each_other(example: Served) -> None:
    start = datetime.now(UTC) - timedelta(days=30)
    times = [start, start + timedelta(minutes=10), start + timedelta(days=2.1)]
    dates = []
    for at in times:
        status, outcome = await review(example, reviewed_at=at.isoformat())
        assert status == 200
        dates.append(datetime.fromisoformat(outcome["next_review_date"]))
    waits = [due - at for due, at in zip(dates, times, strict=True)]
    days = [wait / timedelta(days=1) for wait in waits]
    assert days == pytest.approx([10 / 1440, 2, 11], abs=1e-4)
    card = "SELECT reviews, state, step, last_review FROM practice_cards"
    assert run(example.database_url, card) == [(3, 2, None, times[-1])]


# Where dates have no zone, numbers are larger, and an answer is one letter wide.
async def test_answer_moves_a_word_of_an_older_database(empty_url: str) -> None:
    run(empty_url, WORDS)
    run(
        empty_url,
        "UPDATE definitions SET word = 'run', learning_language = 'en',"
        " native_language = 'de', definition_text = 'rennen';"
        "UPDATE test_questions SET question_text = 'What?', correct_answer = 'A',"
        ' choices = \'[{"id": "A", "text": "rennen"}]\';'
        f"UPDATE saved_words SET user_id = '{LEARNER}'",
    )
    migrations.apply(empty_url)
    async with serve_database(empty_url, cache_bytes=0) as served:
        [*_, word] = await read_words(served)
        [question] = word["questions"]
        asked = {"saved_word_id": word["saved_word_id"], "question_id": question["id"]}
        status, outcome = await review(served, **asked)
        assert (status, outcome["correct"]) == (200, True)
        assert await read_words(served) == []
    due = "SELECT next_review_date::timestamptz FROM saved_words"
    [(date,)] = run(empty_url, due)
    assert date == datetime.fromisoformat(outcome["next_review_date"])


async def test_answer_sent_again_is_kept_once(example: Served) -> None:
    sent = {"review_id": str(uuid4()), "answer": "B"}
    first = await review(example, **sent)
    assert first[0] == 200
    run(example.database_url, "UPDATE test_questions SET correct_answer = 'B'")
    assert await review(example, **sent) == first
    run(example.database_url, "DELETE FROM definitions; DELETE FROM saved_words")
    sent["review_id"] = sent["review_id"].upper()
    assert await review(example, **sent) == first
    assert len(run(example.database_url, HISTORY)) == 1


async def test_answer_sent_often_at_once_is_kept_once(example: Served) -> None:
    sent = {"review_id": str(uuid4())}
    outcomes = await asyncio.gather(*(review(example, **sent) for _ in range(20)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0][0] == 200
    assert run(example.database_url, "SELECT reviews FROM practice_cards") == [(1,)]
    assert len(run(example.database_url, HISTORY)) == 1


async def test_id_of_another_answer_is_refused(example: Served) -> None:
    review_id = str(uuid4())
    assert (await review(example, review_id=review_id))[0] == 200
    for change in (
        {"answer": "B"},
        {"user_id": ANOTHER},
        {"question_id": 501},
        {"saved_word_id": 7},
    ):
        status, answer = await review(example, **{"review_id": review_id, **change})
        assert (status, answer["error"][:10]) == (409, "review_id "), change
    assert len(run(example.database_url, HISTORY)) == 1


async def test_hundred_answers_at_once_are_all_kept(example: Served) -> None:
    answers = "ABCA" * 25
    outcomes = await asyncio.gather(
        *(review(example, answer=answer) for answer in answers)
    )
    assert Counter(status for status, _ in outcomes) == {200: 100}
    assert sum(outcome["correct"] for _, outcome in outcomes) == 50
    kept = Counter(row[2] for row in run(example.database_url, HISTORY))
    assert kept == Counter(answers)
    assert run(example.database_url, "SELECT reviews FROM practice_cards") == [(100,)]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
async def test_answers_by_several_processes_are_all_kept(
    database_url: str, isolation: str
) -> None:
    run(database_url, EXAMPLE_2)
    [(name,)] = run(database_url, "SELECT current_database()")
    level = f"default_transaction_isolation = '{isolation}'"
    run(database_url, f"ALTER DATABASE {name} SET {level}")
    one, two = (Database(database_url, connections=4) for _ in range(2))
    await one.open()
    await two.open()
    submission = Submission(LEARNER, 12345, 500, "A", None, None)
    twice = submission._replace(review_id=str(uuid4()))
    reviews = [
        keep_review(database, sent)
        for sent in (submission, submission, twice)
        for database in (one, two) * 4
    ]
    kept = await asyncio.gather(*reviews)
    assert len(set(kept[16:])) == 1
    assert len(run(database_url, HISTORY)) == 17
    assert run(database_url, "SELECT reviews FROM practice_cards") == [(17,)]
    await one.close()
    await two.close()


async def test_same_id_for_two_words_at_once_is_kept_for_one(example: Served) -> None:
    question = (
        "INSERT INTO test_questions (id, definition_id, question_text, choices,"
        " correct_answer) VALUES (502, 102, 'Why?', '[]', 'A')"
    )
    run(example.database_url, question)
    for _ in range(10):
        review_id = str(uuid4())
        outcomes = await asyncio.gather(
            review(example, review_id=review_id),
            review(example, review_id=review_id, saved_word_id=12346, question_id=502),
        )
        assert sorted(status for status, _ in outcomes) == [200, 409]
    cards = "SELECT sum(reviews) FROM practice_cards"
    assert run(example.database_url, cards) == [(10,)]
    assert len(run(example.database_url, HISTORY)) == 10


async def test_answer_to_nothing_is_not_found(example: Served) -> None:
    for change in (
        {"user_id": ANOTHER},
        {"saved_word_id": 99},
        {"saved_word_id": 2**63 - 1},
        {"saved_word_id": 12346},  # its questions are others
        {"question_id": 501},  # about a definition in another language
        {"question_id": 5_000_000_000},
    ):
        assert "no such word" in await refusal(example, 404, **change), change


async def test_word_deleted_meanwhile_is_not_found(example: Served) -> None:
    with closing(psycopg2.connect(example.database_url)) as other:
        other.cursor().execute("DELETE FROM saved_words WHERE id = 12345")
        answering = asyncio.create_task(review(example))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(20):
            await until(lambda: run(example.database_url, waiting))
        other.commit()
    status, _ = await answering
    assert status == 404
    assert run(example.database_url, HISTORY) == []


async def test_answer_given_earlier_keeps_its_time(example: Served) -> None:
    at = datetime.now(UTC) - timedelta(days=3)
    _, now = await review(example)
    status, late = await review(
        example, reviewed_at=at.isoformat(), review_id=str(uuid4())
    )
    assert status == 200
    assert late["next_review_date"] >= now["next_review_date"]
    assert at in [row[4] for row in run(example.database_url, HISTORY)]


async def test_answer_at_an_impossible_time_is_refused(example: Served) -> None:
    now = datetime.now(UTC)
    tomorrow, last_year = now + timedelta(days=1), now - timedelta(days=366)
    for at, words in {tomorrow: "future", last_year: "365 days ago"}.items():
        assert words in await refusal(example, 400, reviewed_at=at.isoformat())


async def test_fault_in_the_json_is_named(example: Served) -> None:
    assert (await refusal(example, 400, answer=5)).startswith("answer must be ")
    status, answer = await send(example, b'{"answer": "A"')
    assert (status, answer["error"][:9]) == (400, "The body ")


async def test_answer_says_it_is_json(example: Served) -> None:
    sent = json.dumps(RIGHT).encode()
    for kind, expected in {
        "application/json": 200,
        "Application/JSON; charset=UTF-8": 200,
        "text/plain": 415,
        "application/x-www-form-urlencoded": 415,
        "application/json; charset=latin-1": 415,
        "": 415,
    }.items():
        status, _ = await send(example, sent, {"Content-Type": kind})
        assert status == expected, kind


async def test_body_has_a_limit(example: Served) -> None:
    fits = json.dumps(RIGHT).encode().ljust(BODY_MAX)
    for chunked in (None, True):
        assert (await send(example, fits, chunked=chunked))[0] == 200
        assert (await send(example, fits + b" ", chunked=chunked))[0] == 413


async def test_packed_body_is_refused_unread(example: Served) -> None:
    packed = {**JSON, "Content-Encoding": "gzip"}
    sent = gzip.compress(json.dumps(RIGHT).encode())
    assert (await send(example, sent, packed))[0] == 415


async def test_client_that_leaves_in_the_middle_is_no_error(
    example: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(example.port) as wire:
        await wire.send(
            b"POST /v3/reviews HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n"
            b'Content-Type: application/json\r\n\r\n{"user_id": '
        )
        await asyncio.sleep(0.05)
        wire.abort()
    assert (await review(example))[0] == 200
    assert caplog.messages == []


async def test_broken_body_is_refused(example: Served) -> None:
    for body in (
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    ):
        async with connect(example.port) as wire:
            await wire.send(
                b"POST /v3/reviews HTTP/1.1\r\nHost: a\r\n"
                b"Content-Type: application/json\r\n" + body
            )
            assert (await wire.head()).status == 400


async def test_database_without_tables_gets_one_sentence(empty_url: str) -> None:
    async with serve_database(empty_url, cache_bytes=0) as served:
        status, answer = await review(served)
    assert (status, list(answer)) == (503, ["error"])
    assert "bytereel migrate" in answer["error"]


ODD_CARDS = (
    "state = 99",
    "state = 0",
    "step = NULL, state = 1",
    "step = -1, state = 3",
    "stability = 'NaN'",
    "stability = -1",
    "stability = 'infinity'",
    "difficulty = 'NaN'",
    "difficulty = 1e300",
    "last_review = 'infinity'",
    "last_review = '-infinity'",
    "last_review = '20000-01-01'",
    "last_review = '0044-03-15 BC'",
    "last_review = '9999-12-31'",
)


def list_odd_cards(served: Served) -> list[Finding]:
    found = diagnose(served.database_url)
    return [finding for finding in found if finding.code == "odd-card"]


async def test_odd_card_is_no_finding_once_it_is_reviewed(example: Served) -> None:
    assert (await review(example))[0] == 200
    run(example.database_url, f"UPDATE practice_cards SET {ODD_CARDS[0]}")
    assert len(list_odd_cards(example)) == 1
    assert (await review(example))[0] == 200
    assert list_odd_cards(example) == []


@pytest.mark.long
@pytest.mark.parametrize("change", ODD_CARDS)
async def test_word_whose_state_makes_no_sense_counts_as_new(
    example: Served, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_odd_cards.cache_clear()
    assert (await review(example))[0] == 200
    for is_first in (True, False):
        run(example.database_url, f"UPDATE practice_cards SET {change}")
        if is_first:
            [found] = list_odd_cards(example)
            assert "saved word 12345 " in found.sentence
        before = datetime.now(UTC).replace(microsecond=0)
        status, outcome = await review(example)
        assert status == 200
        due = datetime.fromisoformat(outcome["next_review_date"])
        assert timedelta(minutes=10) <= due - before < timedelta(minutes=11)
    assert run(example.database_url, "SELECT reviews FROM practice_cards") == [(3,)]
    [line] = caplog.messages
    assert "count as new" in line


SKIP = (
    "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NULL; END'; CREATE TRIGGER skip BEFORE INSERT ON {}"
    " FOR EACH ROW EXECUTE FUNCTION skip()"
)
# What refuses each answer, and what the log tells of it.
RULES = {
    "ALTER TABLE practice_reviews ADD more INT NOT NULL DEFAULT 1;"
    " ALTER TABLE practice_reviews ALTER more DROP DEFAULT": 'column "more"',
    "ALTER TABLE practice_reviews ADD CHECK (false)": "check constraint",
    "ALTER TABLE practice_reviews ADD EXCLUDE USING btree (user_id WITH =);"
    f" INSERT INTO practice_reviews VALUES ('{ANOTHER}', '{LEARNER}', 1, 1, 'A', 'A',"
    " now(), now())": "exclusion constraint",
    "CREATE UNIQUE INDEX one ON practice_reviews (user_id);"
    f" INSERT INTO practice_reviews VALUES ('{ANOTHER}', '{LEARNER}', 1, 1, 'A', 'A',"
    " now(), now())": "unique constraint",
    SKIP.format("practice_cards"): "practice_cards keeps no row: see its triggers",
    SKIP.format("practice_reviews"): "a trigger of practice_reviews refused word 12345",
}
CARDS = "SELECT reviews FROM practice_cards"


@pytest.mark.parametrize("rule", RULES)
async def test_rule_that_refuses_answers_is_told_soon(
    example: Served, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(example.database_url, rule)
    for _ in range(2):
        status, answer = await review(example)
        assert (status, list(answer)) == (503, ["error"])
        assert answer["error"].startswith("A ")
    spent = example.store.database.spent
    assert spent[queries()["save_review"]][0] <= 2 * (1 + IN_VAIN_MAX)
    [line] = caplog.messages
    assert RULES[rule] in line
    assert run(example.database_url, CARDS) == []  # all or nothing


async def test_odd_date_of_an_answer_is_no_fault_of_ours(example: Served) -> None:
    sent = {"review_id": str(uuid4())}
    assert (await review(example, **sent))[0] == 200
    for date in ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC"):
        change = f"UPDATE practice_reviews SET next_review_date = '{date}'"
        run(example.database_url, change)
        assert (await review(example, **sent))[0] in {200, 503}, date


async def test_read_only_database_keeps_no_answer(example: Served) -> None:
    name = run(example.database_url, "SELECT current_database()")[0][0]
    run(
        example.database_url,
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    status, answer = await review(example)
    assert (status, "takes no changes now" in answer["error"]) == (503, True)


async def test_answers_to_one_word_share_no_endless_line(database_url: str) -> None:
    app = build_app(database_url, answer_seconds=1.0)
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            port = listening.getsockname()[1]
            served = Served(port, database_url, app[STORE])
            with closing(psycopg2.connect(database_url)) as other:
                other.cursor().execute("LOCK saved_words IN ACCESS EXCLUSIVE MODE")
                async with asyncio.timeout(20):  # where each for itself takes a second
                    sent = [review(served) for _ in range(60)]
                    outcomes = await asyncio.gather(*sent)
            assert {status for status, _ in outcomes} == {503}


async def test_write_is_sent_only_once(example: Served) -> None:
    database = example.store.database
    await database.fetch(queries()["list_due"], {"user_id": LEARNER, "count": 1})
    run(
        example.database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()",
    )
    change = "UPDATE saved_words SET word = word || '!' RETURNING word"
    with pytest.raises(DatabaseAway):
        await database.write(change, {})
    assert len(await database.write(change, {})) == 2
    words = "SELECT word FROM saved_words ORDER BY id"
    assert run(example.database_url, words) == [("beautiful!",), ("run!",)]
