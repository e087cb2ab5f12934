"""The batch over HTTP, against the plan's own example and a count by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

import psycopg2
import pytest
from aiohttp import ClientSession
from multidict import MultiDict
from psycopg2.extras import Json, execute_values

from server.app import build_app
from server.errors import Fault
from server.postgres import migrations
from server.postgres.queries import queries
from server.practice.batch import LEFT_OUT, list_learners, parse_asked
from server.serving.listen import answering, bind
from tests.conftest import insert_video, serve_database
from tests.postgres.test_migrations import VIDEOS, WORDS
from tests.postgres.test_schema import run
from tests.telemetry.test_metrics import scrape

if TYPE_CHECKING:
    from tests.conftest import Served

LEARNER = "550e8400-e29b-41d4-a716-446655440000"
BATCH = "/v3/next-review-words-batch"

# Example 2 of the plan, with what it leaves out: languages, choices and the right one.
EXAMPLE_2 = """
INSERT INTO videos (id, filename, video_data) VALUES
    (1, 'beautiful_sunset.mp4', 'a'), (2, 'beautiful_flower.mp4', 'b'),
    (3, 'run_person.mp4', 'c');
INSERT INTO definitions VALUES
    (100, 'beautiful', '漂亮的，美丽的', 'en', 'zh', 1),
    (101, 'beautiful', '漂亮的，美丽的', 'en', 'zh-TW', 2),
    (102, 'run', '跑，奔跑', 'en', 'zh', 3);
INSERT INTO test_questions (id, definition_id, question_text, choices, correct_answer,
    video_id)
SELECT id, id - 400, 'What does this mean?',
       '[{"id": "A", "text": "漂亮的"}, {"id": "B", "text": "丑陋的"},
         {"id": "C", "text": "普通的"}, {"id": "D", "text": "特殊的"}]', 'A', id - 499
  FROM (VALUES (500), (501)) AS question (id);
INSERT INTO saved_words VALUES
    (12345, '550e8400-e29b-41d4-a716-446655440000', 'beautiful', 'en', 'zh',
     '2025-12-09'),
    (12346, '550e8400-e29b-41d4-a716-446655440000', 'run', 'en', 'zh', '2025-12-10');
"""
EXAMPLE_3 = """
{
  "words": [
    {
      "saved_word_id": 12345,
      "word": "beautiful",
      "definition": {
        "text": "漂亮的，美丽的",
        "video_id": 1
      },
      "questions": [
        {
          "id": 500,
          "question_text": "What does this mean?",
          "video_id": 1,
          "choices": [
            {"id": "A", "text": "漂亮的"},
            {"id": "B", "text": "丑陋的"},
            {"id": "C", "text": "普通的"},
            {"id": "D", "text": "特殊的"}
          ],
          "correct_answer": "A"
        }
      ]
    }
  ]
}
"""

# The plan's models: their properties, the keys of these, and what is an optional.
MODELS: dict[str, dict[str, str]] = {
    "Batch": {"words": "[ReviewWord]"},
    "ReviewWord": {
        "saved_word_id": "Int",
        "word": "String",
        "definition": "Definition",
        "questions": "[Question]",
    },
    "Definition": {"text": "String", "video_id": "Int?"},
    "Question": {
        "id": "Int",
        "question_text": "String",
        "video_id": "Int?",
        "choices": "[Choice]",
        "correct_answer": "String",
    },
    "Choice": {"id": "String", "text": "String"},
}


def decode(value: Any, kind: str) -> None:
    """Fail where Swift's Codable would; a null or absent optional is none."""
    if kind.endswith("?"):
        if value is not None:
            decode(value, kind[:-1])
    elif kind.startswith("["):
        assert type(value) is list, (kind, value)
        for item in value:
            decode(item, kind[1:-1])
    elif kind in MODELS:
        assert type(value) is dict, (kind, value)
        for key, inner in MODELS[kind].items():
            assert key in value or inner.endswith("?"), (kind, key)
            decode(value.get(key), inner)
    else:
        assert type(value) is {"Int": int, "String": str}[kind], (kind, value)
        assert not isinstance(value, int) or abs(value) < 2**63


def compact(text: str) -> bytes:
    """Return the same JSON without the spaces that are only for the eye."""
    parsed = json.loads(text)
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()


async def read(served: Served, user_id: str, **query: str | int) -> bytes:
    """Return the batch of a learner, once the app could decode it."""
    parameters = {"user_id": user_id, **query}
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(BATCH, params=parameters) as answer,
    ):
        body = await answer.read()
        assert answer.status == 200, body
        decode(json.loads(body), "Batch")
        return body


async def read_words(served: Served, user_id: str = LEARNER) -> list[Any]:
    words = json.loads(await read(served, user_id))["words"]
    assert type(words) is list
    return words


async def test_example_of_the_plan_comes_out_to_the_byte(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    assert await read(served, LEARNER, count=1) == compact(EXAMPLE_3)


async def test_second_definition_stands_behind_the_first(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    run(served.database_url, "UPDATE definitions SET native_language = 'zh'")
    first, second = json.loads(await read(served, LEARNER, count=1))["words"]
    assert [first] == json.loads(EXAMPLE_3)["words"]
    assert second["saved_word_id"] == first["saved_word_id"]
    assert second["definition"] == {"text": "漂亮的，美丽的", "video_id": 2}
    assert [question["id"] for question in second["questions"]] == [501]
    three = json.loads(await read(served, LEARNER, count=2))["words"]
    assert [word["word"] for word in three] == ["beautiful", "beautiful", "run"]
    assert three[2]["questions"] == []


async def test_batch_is_private_and_never_kept(served: Served) -> None:
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(BATCH, params={"user_id": LEARNER}) as answer,
    ):
        assert await answer.read() == b'{"words":[]}'
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "ETag" not in answer.headers


async def test_learner_in_capitals_is_the_same(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    small, large = LEARNER.lower(), LEARNER.upper()
    assert await read(served, small) == await read(served, large) != b'{"words":[]}'


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "user_id is missing"),
        ("count=10", "user_id is missing"),
        ("user_id=", "user_id must be a UUID"),
        ("user_id=test", "user_id must be a UUID"),
        (f"user_id={LEARNER}%00", "user_id must be a UUID"),
        (f"user_id={LEARNER}%0a", "user_id must be a UUID"),
        ("user_id=%F0%9F%98%80", "user_id must be a UUID"),
        (f"user_id={LEARNER}&user_id={LEARNER}", "user_id is given twice"),
        (f"user_id={LEARNER}&count=1&count=2", "count is given twice"),
        *(
            (f"user_id={LEARNER}&count={count}", "count must be a whole number from 1")
            for count in ["", "0", "-1", "101", "1000", "+5", "05", "1.0", "1e1", "ten"]
        ),
        (f"user_id={LEARNER}&count=1{'0' * 5000}", "count must be a whole number"),
        (f"user_id={LEARNER}&count=%D9%A1", "count must be a whole number"),
    ],
)
def test_wrong_parameter_is_named(query: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        parse_asked(MultiDict(parse_qsl(query, keep_blank_values=True)))


async def test_wrong_parameter_gets_one_sentence(served: Served) -> None:
    async with (
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(BATCH, params={"user_id": "\0 test"}) as answer,
    ):
        assert answer.status == 400
        assert answer.headers["Cache-Control"] == "no-store"
        assert "user_id must be a UUID" in (await answer.json())["error"]


async def test_database_without_words_gets_one_sentence(empty_url: str) -> None:
    async with (
        serve_database(empty_url, cache_bytes=0) as served,
        ClientSession(f"http://127.0.0.1:{served.port}") as client,
        client.get(BATCH, params={"user_id": LEARNER}) as answer,
    ):
        assert answer.status == 503
        assert "bytereel migrate" in (await answer.json())["error"]


async def test_further_videos_show_only_where_there_are_some(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    run(
        served.database_url,
        "INSERT INTO definition_videos VALUES (100, 7, 3), (100, 2, 2), (100, 9, 1),"
        " (102, 1, 3); INSERT INTO question_videos VALUES (500, 1, 3)",
    )
    beautiful, plain = await read_words(served)
    definition, (question,) = beautiful["definition"], beautiful["questions"]
    assert list(definition.items())[1:] == [("video_id", 1), ("video_ids", [1, 2, 3])]
    assert list(question)[2:5] == ["video_id", "video_ids", "choices"]
    assert question["video_ids"] == [1, 3]
    assert plain["definition"] == {"text": "跑，奔跑", "video_id": 3}
    run(served.database_url, "DELETE FROM videos WHERE id IN (1, 2)")
    beautiful, _ = await read_words(served)
    assert beautiful["definition"] == {"text": "漂亮的，美丽的", "video_id": 3}
    assert beautiful["questions"][0]["video_id"] == 3
    assert "video_ids" not in beautiful["questions"][0]


async def test_captions_come_with_their_clips(served: Served) -> None:
    url = served.database_url
    run(url, EXAMPLE_2)
    run(
        url,
        "INSERT INTO question_videos VALUES (500, 1, 3);"
        "INSERT INTO captions (video_id, language, vtt) VALUES"
        " (1, 'en', 'a'), (1, 'de', 'b'), (2, 'en', 'c'), (3, 'zh-Hans', 'd')",
    )
    beautiful, sprint = await read_words(served)
    of_first = [
        {
            "video_id": 1,
            "language": language,
            "label": label,
            "url": f"/v3/videos/1/captions/{language}.vtt",
        }
        for language, label in (("de", "Deutsch"), ("en", "English"))
    ]
    of_third = {
        "video_id": 3,
        "language": "zh-Hans",
        "label": "简体中文",
        "url": "/v3/videos/3/captions/zh-Hans.vtt",
    }
    assert beautiful["definition"]["captions"] == of_first
    (question,) = beautiful["questions"]
    assert question["video_ids"] == [1, 3]
    assert question["captions"] == [*of_first, of_third]
    assert sprint["definition"]["captions"] == [of_third]
    times, _ = served.store.database.spent[queries()["captions_of"]]
    assert times == 1  # for all words


async def test_batch_goes_without_captions_that_cannot_be_read(served: Served) -> None:
    url = served.database_url
    run(url, EXAMPLE_2)
    run(url, "INSERT INTO captions VALUES (1, 'en', 'a'); DROP TABLE captions")
    assert await read(served, LEARNER, count=1) == compact(EXAMPLE_3)


async def test_question_that_no_app_can_decode_is_left_out(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    for choices in (
        *("{}", "null", '["A"]', "[null]"),
        *('[{"id": "A"}]', '[{"id": 1, "text": "a"}]', '[{"id": "A", "text": null}]'),
    ):
        run(
            served.database_url,
            "INSERT INTO test_questions (definition_id, question_text, choices,"
            f" correct_answer) VALUES (100, 'Why?', '{choices}', 'A')",
        )
    assert await read(served, LEARNER, count=1) == compact(EXAMPLE_3)
    assert (await scrape(served.port))[("bytereel_questions_left_out_total",)] == 7


async def test_word_without_a_definition_is_left_out(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    run(served.database_url, "UPDATE definitions SET word = 'another' WHERE id = 100")
    for _ in range(2):
        assert len(await read_words(served)) == 1
    seen = await scrape(served.port)
    assert seen[("bytereel_words_left_out_total",)] == 2
    assert seen[("bytereel_questions_left_out_total",)] == 0


async def test_choices_come_as_they_are_stored(served: Served) -> None:
    run(served.database_url, EXAMPLE_2)
    choices = [
        {"id": "Z", "text": 'a"\\\n\u202e'},
        {"id": "", "text": "", "more": [1.5, None]},
    ]
    with closing(psycopg2.connect(served.database_url)) as database, database:
        database.cursor().execute(
            "UPDATE test_questions SET choices = %s, correct_answer = 'Z'",
            [Json(choices)],
        )
    [question] = (await read_words(served))[0]["questions"]
    assert question["choices"] == choices


# Words as they were before us: other types, columns that may be empty.
async def test_words_of_an_older_database_are_served(empty_url: str) -> None:
    run(empty_url, WORDS + VIDEOS)
    run(
        empty_url,
        "UPDATE definitions SET word = 'run', learning_language = 'en',"
        " native_language = 'de';"
        f"UPDATE saved_words SET user_id = '{LEARNER}';"
        "INSERT INTO definitions (word, learning_language, native_language)"
        " VALUES ('run', 'en', 'de');"
        "INSERT INTO test_questions (definition_id) SELECT id FROM definitions",
    )
    migrations.apply(empty_url)
    async with serve_database(empty_url, cache_bytes=0) as served:
        words = await read_words(served)
    assert {word["word"] for word in words} == {"run"}
    assert words[0]["definition"]["video_id"] == 3


def fill(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Fill a database by chance, the same each time; return its rows."""
    chance = random.Random(5)
    now = datetime.now(UTC)
    dates = [now + timedelta(hours=hours) for hours in (-90, -3, -2, -1, 1, 90)]
    languages = [("en", "zh"), ("en", "de"), ("de", "zh")]
    videos = [None, *(insert_video(url, f"{n}.mp4", b"v") for n in range(5))]
    rows: dict[str, list[tuple[Any, ...]]] = {
        "saved_words": [
            (
                number,
                str(UUID(int=chance.randrange(100))),
                f"词 {chance.randrange(40)}",
                *chance.choice(languages),
                chance.choice(dates),
            )
            for number in chance.sample(range(1, 9999), 800)
        ],
        "definitions": [
            (
                number,
                f"词 {chance.randrange(30)}",  # the others have none
                f"意思 {number}",
                *chance.choice(languages),
                chance.choice(videos),
            )
            for number in chance.sample(range(1, 999), 150)
        ],
    }
    rows["test_questions"] = [
        (
            number,
            chance.choice(rows["definitions"][:100])[0],  # the others have none
            f"Q{number}?",
            Json([{"id": letter, "text": f"{letter}…"} for letter in "ABCD"]),
            chance.choice("ABCD"),
            chance.choice(videos),
        )
        for number in chance.sample(range(1, 9999), 200)
    ]
    with closing(psycopg2.connect(url)) as database, database:
        for table, values in rows.items():
            execute_values(database.cursor(), f"INSERT INTO {table} VALUES %s", values)
    return rows


def expect(
    rows: dict[str, list[tuple[Any, ...]]], user_id: str, count: int
) -> tuple[list[dict[str, Any]], int]:
    """Return a learner's words, and how many were passed over; by plain loops."""
    now = datetime.now(UTC)
    due = [row for row in rows["saved_words"] if row[1] == user_id and row[5] <= now]
    words: list[dict[str, Any]] = []
    passed = 0
    for saved in sorted(due, key=lambda row: (row[5], row[0])):
        found = [row for row in rows["definitions"] if row[1:5:2] == saved[2:4]]
        found = [row for row in found if row[4] == saved[4]]
        if count == 0:
            break
        if not found:
            passed += 1
            continue
        count -= 1
        for definition in sorted(found):
            questions = [
                {
                    "id": row[0],
                    "question_text": row[2],
                    "video_id": row[5],
                    "choices": row[3].adapted,
                    "correct_answer": row[4],
                }
                for row in sorted(rows["test_questions"], key=lambda row: row[0])
                if row[1] == definition[0]
            ]
            words.append(
                {
                    "saved_word_id": saved[0],
                    "word": saved[2],
                    "definition": {"text": definition[2], "video_id": definition[5]},
                    "questions": questions,
                }
            )
    return words, passed


async def test_batches_are_what_a_count_by_hand_gives(database_url: str) -> None:
    rows = fill(database_url)
    app = build_app(database_url)
    seen: Counter[str] = Counter()
    with bind("127.0.0.1", 0) as listening:
        async with (
            answering(app, listening),
            ClientSession(f"http://127.0.0.1:{listening.getsockname()[1]}") as client,
        ):
            for number in range(102):
                user_id, count = str(UUID(int=number)), (1, 4, 100)[number % 3]
                expected, passed = expect(rows, user_id, count)
                parameters = {"user_id": user_id, "count": str(count)}
                async with client.get(BATCH, params=parameters) as answer:
                    body = await answer.read()
                decode(json.loads(body), "Batch")
                assert body == compact(json.dumps({"words": expected}))
                seen["passed"] += passed
                seen["words"] += len(expected)
                seen["mute"] += sum(not word["questions"] for word in expected)
            assert app[LEFT_OUT].words == seen["passed"]
            assert app[LEFT_OUT].questions == 0
    assert len(seen) == 3
    assert min(seen.values()) > 100


async def test_learners_are_listed_with_what_is_due(served: Served) -> None:
    rows = fill(served.database_url)["saved_words"]
    now = datetime.now(UTC)
    due = Counter(row[1] for row in rows if row[5] <= now)
    known = sorted({row[1] for row in rows})
    expected = [(user_id, due[user_id]) for user_id in known]
    assert await list_learners(served.store.database, 5) == expected[:5]


def list_nodes(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (type, table, index) of each node that reads a table."""
    inner = [node for part in plan.get("Plans", []) for node in list_nodes(part)]
    if "Relation Name" not in plan and "Index Name" not in plan:
        return inner
    where = plan.get("Relation Name", ""), plan.get("Index Name", "")
    return [(plan["Node Type"], *where), *inner]


def explain(url: str, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    with closing(psycopg2.connect(url)) as database, database.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {queries()['list_due']}", values)
        [[[answer]]] = cursor.fetchall()
    return list_nodes(answer["Plan"])


def test_batch_never_reads_a_whole_table(database_url: str) -> None:
    run(
        database_url,
        """
        INSERT INTO videos (filename, video_data) VALUES ('a', ''), ('b', '');
        INSERT INTO definitions (word, definition_text, learning_language,
            native_language, video_id)
        SELECT 'word ' || n, 'text', 'en', 'zh', 1 FROM generate_series(1, 4000) AS n;
        INSERT INTO test_questions (definition_id, question_text, choices,
            correct_answer)
        SELECT id, 'What?', '[]', 'A' FROM definitions, generate_series(1, 2);
        INSERT INTO definition_videos SELECT id, 1, 2 FROM definitions;
        INSERT INTO question_videos SELECT id, 1, 2 FROM test_questions;
        INSERT INTO saved_words (user_id, word, learning_language, native_language,
            next_review_date)
        SELECT md5((n % 200)::text)::uuid, 'word ' || 1 + n % 4099, 'en', 'zh',
               now() + (n % 61 - 40) * interval '1 day'
          FROM generate_series(1, 20000) AS n;
        ANALYZE;
        """,
    )
    [(user_id,)] = run(database_url, "SELECT md5('7')::uuid::text")
    for count in (1, 10, 100):
        nodes = explain(database_url, {"user_id": user_id, "count": count})
        assert {kind for kind, _, _ in nodes} <= {
            "Index Scan",
            "Index Only Scan",
            "Bitmap Index Scan",
            "Bitmap Heap Scan",
        }
        indexes = {index for _, _, index in nodes}
        assert {"idx_saved_words_due", "idx_definitions_lookup"} < indexes
