"""GET of the words a learner has to practise now: parse, read, render."""

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from server.api.errors import build_error_response
from server.api.fields import UUID, digits, parse_fields, required
from server.errors import Fault
from server.hls.offering import HLS_SECONDS, list_offered
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.captions import list_captions
from server.video.levels import Level, list_levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from multidict import MultiMapping

    from server.postgres.pool import Database

COUNT_DEFAULT = 10
COUNT_MAX = 100
LEARNERS_MAX = 20

FIELDS = {"user_id": required(UUID), "count": digits(COUNT_MAX)}
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
}


class LeftOut:
    """How often batches left something out since the process began.

    A word or question counts again in every batch for which it is due.
    """

    def __init__(self) -> None:
        self.words = 0  # due, but without a definition
        self.questions = 0  # which the app's models could not decode


LEFT_OUT = web.AppKey("left_out", LeftOut)


class DueRow(NamedTuple):
    """A row of list_due: a due word, one of its definitions, one of its questions.

    Without a due word all but the first is None, without a question what is of one.
    """

    passed_over: int  # due words without a definition
    saved_word_id: int | None
    word: str
    definition_id: int
    definition_text: str
    definition_videos: list[int]
    question_id: int | None
    question_text: str
    question_videos: list[int]
    choices: object
    correct_answer: str


class Known(NamedTuple):
    """What there is of videos beside themselves, by their ids."""

    levels: Mapping[int, Sequence[Level]]
    captions: Mapping[int, Sequence[Mapping[str, str]]]
    hls: Mapping[int, str]  # URLs of master playlists


NOTHING_KNOWN = Known({}, {}, {})


class Learner(NamedTuple):
    """A row of list_learners."""

    user_id: str
    due: int  # words


async def get_batch(request: web.Request) -> web.Response:
    """Answer with the due words of a learner."""
    try:
        user_id, count = parse_asked(request.query)
    except Fault as fault:
        return build_error_response(400, str(fault))
    database = request.app[STORE].database
    rows = await list_due(database, user_id, count)
    shown = list_shown(rows)
    known = Known(
        await list_levels(database, shown),
        await list_captions(database, shown),
        await list_offered(database, shown, request.app[HLS_SECONDS]),
    )
    left_out = request.app[LEFT_OUT]
    left_out.words += rows[0].passed_over
    return web.Response(body=render_batch(rows, left_out, known), headers=HEADERS)


def parse_asked(query: MultiMapping[str]) -> tuple[str, int]:
    """Return the learner and how many words; raise Fault."""
    asked = parse_fields(query.items(), FIELDS, ignore_unknown=True)
    return asked["user_id"], asked.get("count", COUNT_DEFAULT)


async def list_due(database: Database, user_id: str, count: int) -> list[DueRow]:
    """Return the due words of a learner with all that belongs to them."""
    values = {"user_id": user_id, "count": count}
    return [DueRow(*row) for row in await database.fetch(queries()["list_due"], values)]


def list_shown(rows: Iterable[DueRow]) -> set[int]:
    """Return the videos that definitions and questions show."""
    return {
        video
        for row in rows
        if row.saved_word_id is not None
        for videos in (row.definition_videos, row.question_videos)
        for video in videos or ()
    }


def render_batch(
    rows: Iterable[DueRow], left_out: LeftOut, known: Known = NOTHING_KNOWN
) -> bytes:
    """Return the JSON for the rows of list_due, in their order.

    Questions that apps cannot decode are left out, and counted in left_out.
    """
    words = []
    for _, group in groupby(rows, attrgetter("saved_word_id", "definition_id")):
        first, *further = group
        if first.saved_word_id is None:
            continue  # no word is due
        asked = [row for row in (first, *further) if row.question_id is not None]
        questions = [show_question(row, known) for row in asked if can_be_decoded(row)]
        left_out.questions += len(asked) - len(questions)
        words.append(
            {
                "saved_word_id": first.saved_word_id,
                "word": first.word,
                "definition": {
                    "text": first.definition_text,
                    **show_videos(first.definition_videos, known),
                },
                "questions": questions,
            }
        )
    text = json.dumps({"words": words}, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def show_question(row: DueRow, known: Known) -> dict[str, object]:
    """Return a question as apps read it."""
    return {
        "id": row.question_id,
        "question_text": row.question_text,
        **show_videos(row.question_videos, known),
        "choices": row.choices,
        "correct_answer": row.correct_answer,
    }


def show_videos(videos: Sequence[int], known: Known) -> dict[str, object]:
    """Return the first video, and all of them only where there is more than one.

    Their levels, captions and playlists stand in one list each, with the ids of the
    videos. They are there only if there are any: the plan's answer has no such fields.
    """
    shown: dict[str, object] = {"video_id": videos[0] if videos else None}
    if len(videos) > 1:
        shown["video_ids"] = videos
    levels = [each.tell() for video in videos for each in known.levels.get(video, ())]
    if levels:
        shown["levels"] = levels
    captions = [
        {"video_id": video, **each}
        for video in videos
        for each in known.captions.get(video, ())
    ]
    if captions:
        shown["captions"] = captions
    playlists = [
        {"video_id": video, "url": known.hls[video]}
        for video in videos
        if video in known.hls
    ]
    if playlists:
        shown["hls"] = playlists
    return shown


def can_be_decoded(row: DueRow) -> bool:
    """Report whether the app can decode a question; else it would lose the batch."""
    choices: Any = row.choices
    return (
        isinstance(row.question_text, str)
        and isinstance(row.correct_answer, str)
        and isinstance(choices, list)
        and all(
            isinstance(choice, dict)
            and isinstance(choice.get("id"), str)
            and isinstance(choice.get("text"), str)
            for choice in choices
        )
    )


async def list_learners(database: Database, limit: int = LEARNERS_MAX) -> list[Learner]:
    """Return learners by id; it counts the whole table, so only for the demo."""
    rows = await database.fetch(queries()["list_learners"], {"limit": limit})
    return [Learner(*row) for row in rows]
