"""POST of an answer: kept exactly once, and the word's next date with it."""

from __future__ import annotations

import logging
from asyncio import Lock
from datetime import UTC
from functools import cache
from json import dumps
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4
from weakref import WeakValueDictionary

import psycopg2
from aiohttp import web
from psycopg2.errors import ForeignKeyViolation, UniqueViolation

from server.api.bodies import read_body
from server.api.errors import Refused, build_error_response
from server.errors import Fault
from server.postgres.pool import DatabaseAway
from server.postgres.queries import queries
from server.postgres.sqlstate import build_error
from server.practice.batch import HEADERS
from server.practice.scheduling import Card, plan_review
from server.practice.submission import Submission, fit_time, parse_submission
from server.reading.store import STORE
from server.reading.waiting import within_budget

if TYPE_CHECKING:
    from datetime import datetime

    from server.postgres.pool import Database

ATTEMPTS_MAX = 100  # each that fails lost to one that did not
IN_VAIN_MAX = 3  # attempts in a row that lost, though nothing had come between
_NOT_KEPT = "practice_cards keeps no row: see its triggers"

_log = logging.getLogger(__name__)

# Answers about the same word wait for each other here, so that only those that other
# processes save at the same moment come between.
_turns: WeakValueDictionary[int, Lock] = WeakValueDictionary()


class Review(NamedTuple):
    """An answer that is kept."""

    user_id: str
    saved_word_id: int
    question_id: int
    answer: str
    correct_answer: str
    next_review_date: datetime

    @property
    def correct(self) -> bool:
        """Report whether the answer was right."""
        return self.answer == self.correct_answer


class AnswerContext(NamedTuple):
    """What the database knows about an answer before it is kept."""

    now: datetime
    known: Review | None  # what was kept under this id before
    correct_answer: str | None  # None where there is nothing to be answered
    reviews: int  # of the word so far
    card: Card | None


class ReviewRow(NamedTuple):
    """The row of find_review; None is what there is not."""

    now: datetime
    known_user_id: str | None  # what is known is the same answer, sent before
    known_saved_word_id: int
    known_question_id: int
    known_answer: str
    known_correct_answer: str
    known_next_review_date: datetime
    correct_answer: str | None
    reviews: int | None
    state: int | None  # of the card, as the rest; None too where it makes no sense
    step: int | None
    stability: float
    difficulty: float
    last_review: datetime

    def find_known(self) -> Review | None:
        """Return the answer that was kept before, if it was."""
        if self.known_user_id is None:
            return None
        return Review(
            self.known_user_id,
            self.known_saved_word_id,
            self.known_question_id,
            self.known_answer,
            self.known_correct_answer,
            self.known_next_review_date,
        )

    def find_card(self) -> Card | None:
        """Return the state of the word, if it was answered before."""
        if self.state is None:
            return None
        return Card(
            self.state, self.step, self.stability, self.difficulty, self.last_review
        )


async def post_review(request: web.Request) -> web.Response:
    """Keep an answer; tell whether it was right and when the word is due again."""
    try:
        submission = parse_submission(await read_body(request))
        database = request.app[STORE].database
        turn = _turns.setdefault(submission.saved_word_id, Lock())
        async with within_budget():
            await turn.acquire()
        try:
            review = await keep_review(database, submission)
        finally:
            turn.release()
    except Fault as fault:
        return build_error_response(400, str(fault))
    except Refused as refused:
        return build_error_response(refused.status, refused.sentence)
    return web.Response(body=render_review(review), headers=HEADERS)


async def keep_review(database: Database, submission: Submission) -> Review:
    """Keep an answer once; raise Refused, Fault or DatabaseAway.

    The state is read, the next one computed, and both saved only if the state is still
    the one that was read, in one statement: nothing needs a transaction of its own.
    """
    review_id = submission.review_id or str(uuid4())
    before: AnswerContext | None = None
    in_vain = 0
    for _ in range(ATTEMPTS_MAX):
        found = await find_review(database, submission, review_id)
        if found.known is not None:
            return recognise(submission, found.known)
        if found.correct_answer is None:
            raise Refused(
                404, "This learner keeps no such word with such a question; reload."
            )
        at = fit_time(submission.reviewed_at, found.now)
        correct = submission.answer == found.correct_answer
        card, due = plan_review(found.card, correct=correct, at=at)
        review = Review(*submission[:4], found.correct_answer, due)
        values = review._asdict() | card._asdict() | {"review_id": review_id}
        values |= {"reviews": found.reviews, "reviewed_at": at}
        failed = await save_review(database, values)
        if failed is None:
            return review
        unchanged = before is not None and found[1:] == before[1:]
        before, in_vain = found, in_vain + 1 if unchanged else 0
        if in_vain == IN_VAIN_MAX:
            raise failed
    raise DatabaseAway("Too many answers for one word at the same moment.")


def recognise(submission: Submission, known: Review) -> Review:
    """Return the review kept under this id if it is the same; else raise Refused."""
    if submission[:4] != known[:4]:
        raise Refused(
            409, "review_id is the id of another answer already; make a new one."
        )
    return known


async def find_review(
    database: Database, submission: Submission, review_id: str
) -> AnswerContext:
    """Return what is known of an answer, its question and its word."""
    values = submission._asdict() | {"review_id": review_id}
    [found] = await database.fetch(queries()["find_review"], values)
    row = ReviewRow(*found)
    if row.reviews is not None and row.state is None:
        warn_of_odd_cards()
    return AnswerContext(
        row.now,
        row.find_known(),
        row.correct_answer,
        row.reviews or 0,
        row.find_card(),
    )


@cache
def warn_of_odd_cards() -> None:
    """Tell the log, once in a process: thousands may be odd for the same reason."""
    _log.warning(
        "practice_cards has rows that make no sense, and their words count as new: "
        "run bytereel doctor"
    )


async def save_review(
    database: Database, values: dict[str, object]
) -> psycopg2.Error | None:
    """Return None once the review is saved.

    Else return why it was not, if the reason may be another one that came between.
    """
    try:
        saved = await database.write(queries()["save_review"], values)
    except (UniqueViolation, ForeignKeyViolation) as error:
        return error  # the word has gone, or the id came with another word
    except DatabaseAway as away:
        said = away.__cause__
        if isinstance(said, psycopg2.Error) and (said.pgcode or "").startswith("40"):
            return said  # rolled back for the other, as its isolation asks
        raise
    return None if saved else build_error("23000", "", _NOT_KEPT)


def render_review(review: Review) -> bytes:
    """Return the JSON about a review; its time is whole seconds, as Swift wants it."""
    due = review.next_review_date.astimezone(UTC)
    answer = {
        "correct": review.correct,
        "correct_answer": review.correct_answer,
        "next_review_date": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
