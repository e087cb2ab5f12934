"""The description of the API, and whether the server holds to it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from contextlib import contextmanager
from operator import methodcaller
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from server.api.openapi import read_openapi
from server.app import build_app
from server.demo.learners import add_learners
from server.routes import ROUTES
from server.serving.listen import answering, bind
from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator

# What people or Prometheus look at, and what those pages are made of.
PAGES = {
    *("/", "/admin", "/practice", "/worker.js", "/reads"),
    *("/metrics", "/assets/{version}/{name}", "/hls.js/{version}.mjs"),
}
TOKEN = "a-token-of-tests-only"
UNLINKING = (
    "DELETE /v3/admin/videos/{id}/links"  # of its parameters some exclude others
)
CAPTIONING = "PUT /v3/admin/videos/{id}/captions/{language}"  # of texts few are WebVTT
LINKING = "POST /v3/admin/videos/{id}/links"  # as with unlinking
NEVER_AT_RANDOM = {UNLINKING, LINKING, CAPTIONING}
EXAMPLES = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def serving(url: str, **options: Any) -> Iterator[str]:
    """Yield the address of a server in a thread of its own."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def answer() -> None:
        async with answering(build_app(url, **options), listening):
            await stop.wait()

    with bind("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=lambda: loop.run_until_complete(answer()))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


@pytest.fixture
def address(database_url: str) -> Iterator[str]:
    """Yield the address of a server with videos and learners."""
    for name in ("rise_sun.mp4", "bounce_ball.mp4"):
        insert_video(database_url, name, bytes(range(256)))
    add_learners(database_url)
    with serving(database_url, admin_token=TOKEN) as address:
        yield address


def test_routes_are_described_or_pages() -> None:
    described = {
        (method.upper(), path)
        for path, item in json.loads(read_openapi())["paths"].items()
        for method in item
        if method != "parameters"
    }
    routes = {
        (route.method, re.sub(r"\{(\w+):.*?\}(?=/|\.|$)", r"{\1}", route.path))
        for route in ROUTES
    }
    assert routes - described == {("GET", path) for path in PAGES}
    assert described <= routes


def test_description_is_served(address: str) -> None:
    with urlopen(f"{address}/openapi.json") as answer:
        assert answer.headers["Content-Type"].startswith("application/json")
        assert json.load(answer)["openapi"].startswith("3.1")


def aim(case: Any, known: dict[str, Any]) -> Any:
    """Ask for what there is."""
    if "id" in case.path_parameters:
        case.path_parameters["id"] = 1
    if "user_id" in case.query:
        case.query["user_id"] = known["user_id"]
    if case.operation.label == UNLINKING:
        case.query = {"definition": 1}
    elif case.operation.label == CAPTIONING:
        case.body = "WEBVTT\n\n00:00.000 --> 00:01.000\nRun!\n"
    elif case.path.endswith("/links"):
        case.body = {"definition": 1}
    elif isinstance(case.body, dict) and known:
        case.body |= known
        case.body.pop("reviewed_at", None)  # any time fits the format, not the limits
    return case


def exercise(operation: Any, known: dict[str, Any], examples: int) -> set[int]:
    """Send requests that fit the description, and such that don't."""
    statuses = set()

    @settings(EXAMPLES, max_examples=examples)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(GenerationMode))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        aimed = operation.label in NEVER_AT_RANDOM or data.draw(st.booleans())
        if mode is GenerationMode.POSITIVE and aimed:
            case = aim(case, known)
        statuses.add(case.call_and_validate().status_code)

    check()
    return statuses


def exercise_all(
    address: str, known: dict[str, Any], path: str, examples: int
) -> dict[str, set[int]]:
    """Return the statuses of all operations whose path matches."""
    schema = schemathesis.openapi.from_dict(json.loads(read_openapi()))
    schema.config.update(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"})
    # that one guesses tokens, and would be locked out
    schema.config.checks.update(excluded_check_names=["ignored_auth"])
    # a condition that fails, a body of too many bytes and a range of nothing are
    # answers to right questions too
    accepted = schema.config.checks.positive_data_acceptance.expected_statuses
    accepted += ["412", "413", "416"]
    operations = schema.include(path_regex=path).get_all_operations()
    return {
        operation.label: exercise(operation, known, examples)
        for operation in map(methodcaller("ok"), operations)
    }


@pytest.mark.long
def test_server_holds_to_its_description(address: str, database_url: str) -> None:
    [(user_id, word, question)] = run(
        database_url,
        "SELECT user_id::text, saved.id, question.id FROM saved_words AS saved"
        " JOIN definitions AS known USING (word, learning_language, native_language)"
        " JOIN test_questions AS question ON definition_id = known.id"
        " ORDER BY saved.id LIMIT 1",
    )
    known = {"user_id": user_id, "saved_word_id": word, "question_id": question}
    statuses = exercise_all(address, known, "^(?!/v3/admin/)", 8)
    assert {200, 400} <= statuses["GET /v3/next-review-words-batch"]
    assert {200, 400} <= statuses["POST /v3/reviews"]
    assert statuses["GET /v3/videos/{id}"] & {200, 206}


@pytest.mark.long
def test_admin_holds_to_its_description(address: str) -> None:
    statuses = exercise_all(address, {}, "^/v3/admin/", 5)
    assert 429 not in set[int]().union(*statuses.values())
    for path in (
        "overview",
        "history",
        "words",
        "videos",
        "videos/{id}",
        "videos/{id}/flaws",
    ):
        assert 200 in statuses[f"GET /v3/admin/{path}"], path
    assert 201 in statuses["POST /v3/admin/uploads"]
    assert {200, 400} <= statuses["POST /v3/admin/videos/{id}/links"]
    assert 200 in statuses["DELETE /v3/admin/videos/{id}"]
