"""The JSON of an answer, read strictly. No I/O."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from server.api.fields import (
    TIME,
    UUID,
    FieldFault,
    nullable,
    parse_fields,
    required,
    text,
    whole_number,
)
from server.api.strict_json import parse_object

if TYPE_CHECKING:
    from datetime import datetime

ANSWER_MAX = 255  # characters
AHEAD = timedelta(minutes=1)  # how far a phone's clock may be wrong
AGE_MAX = timedelta(days=365)  # how long an answer may wait to be sent

FIELDS = {
    "user_id": required(UUID),
    "saved_word_id": required(whole_number()),
    "question_id": required(whole_number()),
    "answer": required(text(ANSWER_MAX, shortest=1)),
    "review_id": nullable(UUID),
    "reviewed_at": nullable(TIME),
}


class Submission(NamedTuple):
    """One answer as it was sent."""

    user_id: str
    saved_word_id: int
    question_id: int
    answer: str
    review_id: str | None = None  # made by who sends it, for sending it again
    reviewed_at: datetime | None = None  # when it was given, if that was earlier


def parse_submission(body: bytes) -> Submission:
    """Return what was sent; raise Fault. Fields that are not known are ignored."""
    return Submission(**parse_fields(parse_object(body), FIELDS, ignore_unknown=True))


def fit_time(given: datetime | None, now: datetime) -> datetime:
    """Return when an answer was given, at the latest now; raise Fault."""
    if given is None:
        return now
    if given > now + AHEAD:
        raise FieldFault("reviewed_at", "must not be in the future; check the clock.")
    if given < now - AGE_MAX:
        complaint = f"must not be more than {AGE_MAX.days} days ago."
        raise FieldFault("reviewed_at", complaint)
    return min(given, now)
