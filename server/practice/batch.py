"""GET of the words a learner has to practise now: parse, read, render."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from psycopg2.errors import UndefinedTable

from server.api.errors import build_error_response
from server.api.fields import UUID, digits, parse_fields, required
from server.errors import Fault
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from multidict import MultiMapping

    from server.postgres.libpq import Row
    from server.postgres.pool import Database

COUNT_DEFAULT = 10
COUNT_MAX = 100
LEARNERS_MAX = 20
NOT_MIGRATED = "The database has nothing to practise: run bytereel migrate."

FIELDS = {"user_id": required(UUID), "count": digits(COUNT_MAX)}
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
}


class LeftOut:
    """What batches could not show since the start, for the metrics."""

    words = 0  # due, but without a definition
    questions = 0  # which the app's models could not decode


LEFT_OUT = web.AppKey("left_out", LeftOut)


class Entry(NamedTuple):
    """A saved word with one of its definitions."""

    saved_word_id: int
    word: str
    definition_id: int
    text: str
    videos: list[int]


class Question(NamedTuple):
    """What is asked about a definition."""

    id: int
    text: str
    videos: list[int]
    choices: object
    correct_answer: str


async def get_batch(request: web.Request) -> web.Response:
    """Answer with the due words of a learner."""
    try:
        user_id, count = parse_asked(request.query)
    except Fault as fault:
        return build_error_response(400, str(fault))
    try:
        rows = await list_due(request.app[STORE].database, user_id, count)
    except UndefinedTable:
        return build_error_response(503, NOT_MIGRATED)
    left_out = request.app[LEFT_OUT]
    left_out.words += rows[0][0]
    return web.Response(body=render_batch(rows, left_out), headers=HEADERS)


def parse_asked(query: MultiMapping[str]) -> tuple[str, int]:
    """Return the learner and how many words; raise Fault."""
    asked = parse_fields(query.items(), FIELDS, ignore_unknown=True)
    return asked["user_id"], asked.get("count", COUNT_DEFAULT)


async def list_due(database: Database, user_id: str, count: int) -> list[Row]:
    """Return the due words of a learner with all that belongs to them."""
    values = {"user_id": user_id, "count": count}
    return await database.fetch(queries()["list_due"], values)


def render_batch(rows: Iterable[Row], left_out: LeftOut) -> bytes:
    """Return the JSON of the plan for the rows of list_due, which come in its order."""
    words = []
    for key, group in groupby(rows, itemgetter(slice(1, 6))):
        if key[0] is None:
            continue  # no word is due
        entry = Entry(*key)
        definition = {"text": entry.text, **show_videos(entry.videos)}
        asked = [Question(*row[6:]) for row in group if row[6] is not None]
        questions = [show_question(one) for one in asked if can_be_decoded(one)]
        left_out.questions += len(asked) - len(questions)
        words.append(
            {
                "saved_word_id": entry.saved_word_id,
                "word": entry.word,
                "definition": definition,
                "questions": questions,
            }
        )
    text = json.dumps({"words": words}, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def show_question(question: Question) -> dict[str, object]:
    """Return a question with its keys in the plan's order."""
    return {
        "id": question.id,
        "question_text": question.text,
        **show_videos(question.videos),
        "choices": question.choices,
        "correct_answer": question.correct_answer,
    }


def show_videos(videos: Sequence[int]) -> dict[str, object]:
    """Return the first video, and all of them only where there is more than one."""
    shown: dict[str, object] = {"video_id": videos[0] if videos else None}
    if len(videos) > 1:
        shown["video_ids"] = videos
    return shown


def can_be_decoded(question: Question) -> bool:
    """Report whether the app can decode it; one that it can't would cost the batch."""
    choices: Any = question.choices
    return (
        isinstance(question.text, str)
        and isinstance(question.correct_answer, str)
        and isinstance(choices, list)
        and all(
            isinstance(choice, dict)
            and isinstance(choice.get("id"), str)
            and isinstance(choice.get("text"), str)
            for choice in choices
        )
    )


async def list_learners(
    database: Database, limit: int = LEARNERS_MAX
) -> list[tuple[str, int]]:
    """Return learners and how many of their words are due; only for the demo."""
    rows = await database.fetch(queries()["list_learners"], {"limit": limit})
    return [(user_id, due) for user_id, due in rows]
