"""A 503 for each state of the database, and one log line at either end."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from psycopg2 import DataError, OperationalError, ProgrammingError
from psycopg2.extensions import make_dsn

from server.api import troubles
from server.api.troubles import AWAY, NO_MEMORY, SLOW, explain_trouble
from server.app import build_app
from server.postgres.pool import DatabaseAway, StatementTimeout
from server.postgres.sqlstate import build_error
from server.serving.listen import answering, bind
from tests.conftest import execute, insert_video

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"
USER = str(uuid4())
REVIEW = {"user_id": USER, "saved_word_id": 1, "question_id": 1, "answer": "a"}
VIEWS = {"views": [{"video_id": 1, "reached": "started"}]}
WORD = {"word": "run", "language": "en"}
PRACTISED = f"""
    INSERT INTO definitions (id, word, learning_language, native_language,
        definition_text) VALUES (1, 'run', 'en', 'de', 'rennen');
    INSERT INTO test_questions (id, definition_id, question_text, choices,
        correct_answer) VALUES (1, 1, 'What?', '[]', 'a');
    INSERT INTO saved_words (id, user_id, word, learning_language, native_language)
        VALUES (1, '{USER}', 'run', 'en', 'de')
"""
PATHS = [
    *("/v3/videos/1", "/v3/videos/1/thumbnail", "/", "/practice", "/admin"),
    *(f"/v3/next-review-words-batch?user_id={USER}", "/readyz", "/metrics"),
    *("/v3/admin/overview", "/v3/admin/history", "/v3/admin/words?prefix=a"),
    *("/v3/admin/videos", "/v3/admin/videos/1", "/v3/admin/videos/1/flaws"),
]
ROUTES: list[tuple[str, str, object]] = [
    *(("GET", path, None) for path in PATHS),
    ("HEAD", "/v3/videos/1", None),
    ("POST", "/v3/reviews", REVIEW),
    ("POST", "/v3/views", VIEWS),
    ("POST", "/v3/admin/videos/1/links", WORD),
    ("DELETE", "/v3/admin/videos/1/links?word=run&language=en", None),
    ("DELETE", "/v3/admin/videos/1", None),
]
STATES = {
    "renamed": "ALTER TABLE videos RENAME TO gone",
    "dropped": "DROP TABLE videos CASCADE",
    "without a column": "ALTER TABLE videos RENAME filename TO name",
    "of another type": "CREATE SCHEMA other; CREATE TABLE other.videos AS SELECT id,"
    " filename, mime_type, 1 AS video_data, created_at FROM videos;"
    " ALTER ROLE served IN DATABASE {name} SET search_path = other, public",
    "a function that fails": "ALTER TABLE videos RENAME TO files; CREATE VIEW videos"
    " AS SELECT id, filename, mime_type, substr(video_data, 1 / (id - id)::int)"
    " AS video_data, created_at FROM files; GRANT ALL ON videos TO served",
    "a function that finds too much": "ALTER TABLE videos RENAME TO files; INSERT INTO"
    " files (filename, video_data) VALUES ('b.mp4', 'b'); CREATE VIEW videos AS SELECT"
    " id, filename, mime_type, (SELECT video_data FROM files AS f WHERE f.id >= 0 *"
    " files.id) AS video_data, created_at FROM files; GRANT ALL ON videos TO served",
    "text that is no number": "ALTER TABLE practice_reviews ALTER answer TYPE int"
    " USING 0",
    "a key that is gone": "ALTER TABLE practice_cards DROP CONSTRAINT"
    " practice_cards_pkey",
    "dates beyond the year 9999": "UPDATE videos SET created_at = '20000-01-01';"
    " INSERT INTO practice_cards VALUES (1, 1, 1, 0, 1, 1, '20000-01-01')",
    "revoked": "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM served",
    "read-only": "ALTER ROLE served IN DATABASE {name}"
    " SET default_transaction_read_only = on",
}


def said(code: str) -> Exception:
    return build_error(code, "", "what it said")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (StatementTimeout("slow"), SLOW),
        (DatabaseAway("gone"), AWAY),
        (OperationalError("out of memory"), AWAY),
        (said("42P01"), "migrate"),
        (said("42703"), "migrate"),
        (said("42501"), "rights"),
        (said("25006"), "read-only"),
        (said("53100"), "disk space"),
        (said("53300"), "connections"),
        (said("57P01"), AWAY),
        (said("57P03"), AWAY),
        (said("40001"), "others"),
        (said("55P03"), "busy"),
        (said("XX001"), "verify"),
        (said("21000"), "value"),
        (said("22012"), "value"),
        (said("22P02"), "value"),
        (DataError("year 20000 is out of range"), "value"),
        (said("23502"), "rule"),
        (said("44000"), "rule"),
        (said("42P10"), "key"),
        (said("54000"), "limit"),
        (said("42702"), "log"),
        (said("2F002"), "log"),
        (MemoryError(), NO_MEMORY),
        (RuntimeError("can't start new thread"), NO_MEMORY),
        (OSError(errno.EMFILE, "many"), NO_MEMORY),
    ],
)
def test_state_that_may_pass_has_a_sentence(error: Exception, word: str) -> None:
    sentence = explain_trouble(error)
    assert sentence is not None
    assert word in sentence
    assert sentence[0].isupper()
    assert sentence[-1] == "."


@pytest.mark.parametrize(
    "error",
    [
        said("42601"),
        said("42P02"),
        ProgrammingError("can't adapt type"),
        RuntimeError("?"),
        OSError(errno.ENOENT, "none"),
        KeyError("x"),
    ],
)
def test_fault_of_ours_has_none(error: Exception) -> None:
    assert explain_trouble(error) is None


def test_reason_of_a_database_away_is_told() -> None:
    away = DatabaseAway("away")
    away.__cause__ = said("53100")
    assert "disk space" in str(explain_trouble(away))


@pytest.fixture
def role_url(database_url: str, cluster: str) -> Iterator[str]:
    """Return the URL of a database for a role with the rights it needs."""
    execute(
        database_url,
        "CREATE ROLE served LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO served;"
        " GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO served",
    )
    insert_video(database_url, "a.mp4", b"abc" * 1000)
    execute(database_url, PRACTISED)
    yield make_dsn(database_url, user="served")
    execute(database_url, "DROP OWNED BY served CASCADE; DROP ROLE served")


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
async def test_no_route_fails_for_the_state_of_the_database(
    state: str, role_url: str, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    execute(database_url, state.format(name=name))
    app = build_app(role_url, admin_token=TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with bind("127.0.0.1", 0) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with answering(app, listening), ClientSession(origin) as client:
            for method, path, body in ROUTES:
                async with client.request(
                    method, path, json=body, headers=headers
                ) as answer:
                    text = await answer.read()
                told = (method, path, answer.status, text)
                assert answer.status < 500 or answer.status == 503, told
                if answer.status == 503:
                    assert int(answer.headers["Retry-After"]) > 0, told
                    assert method == "HEAD" or list(json.loads(text)) == ["error"], told
    lines = [r.getMessage() for r in caplog.records if r.name == troubles.__name__]
    assert len(lines) <= 3, lines  # one for each sentence
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/v3/next-review-words-batch?user_id={USER}", None),
        ("POST", "/v3/reviews", REVIEW),
        ("GET", "/v3/admin/words?prefix=a", None),
    ],
    ids=["batch", "review", "admin"],
)
async def test_missing_table_is_logged_once(
    method: str,
    path: str,
    body: object,
    empty_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = build_app(empty_url, admin_token=TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with bind("127.0.0.1", 0) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with answering(app, listening), ClientSession(origin) as client:
            for _ in range(3):
                async with client.request(
                    method, path, json=body, headers=headers
                ) as answer:
                    assert answer.status == 503
                    assert "bytereel migrate" in await answer.text()
    [line] = [r.getMessage() for r in caplog.records if r.name == troubles.__name__]
    assert line.startswith(f"{method} {path.partition('?')[0]} fails: ")
    assert line.endswith(" does not exist")


async def test_trouble_is_logged_when_it_begins_and_ends(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "QUIET_SECONDS", 0.0)
    number = insert_video(database_url, "a.mp4", b"abc")
    app = build_app(database_url)
    with bind("127.0.0.1", 0) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with answering(app, listening), ClientSession(origin) as client:
            statuses = []

            async def get() -> None:
                async with client.get(f"/v3/videos/{number}") as answer:
                    statuses.append(answer.status)

            for change in ("videos RENAME TO gone", "gone RENAME TO videos"):
                execute(database_url, f"ALTER TABLE {change}")
                for _ in range(5):
                    await get()
            assert statuses == [503] * 5 + [200] * 5
    lines = [r.getMessage() for r in caplog.records if r.name == troubles.__name__]
    begun, ended = lines
    assert begun.startswith("GET /v3/videos/{id} fails: ERROR:  relation")
    assert ended.startswith(
        "GET /v3/videos/{id} is answered again: 5 answers failed in"
    )
