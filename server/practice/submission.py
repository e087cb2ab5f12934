"""The JSON of an answer, read strictly. No I/O."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from server.api.strict_json import parse_object
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.api.strict_json import Members

ID_MAX = 2**63 - 1
ANSWER_MAX = 255  # characters
AHEAD = timedelta(minutes=1)  # how far a phone's clock may be wrong
AGE_MAX = timedelta(days=365)  # how long an answer may wait to be sent

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.I)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)


class Submission(NamedTuple):
    """One answer as it was sent."""

    user_id: str
    saved_word_id: int
    question_id: int
    answer: str
    review_id: str | None  # made by who sends it, for sending it again
    reviewed_at: datetime | None  # when it was given, if that was earlier


def parse_submission(body: bytes) -> Submission:
    """Return what was sent; raise Fault with the path of what is wrong."""
    read = partial(read_member, parse_object(body))
    return Submission(
        user_id=read("user_id", parse_uuid),
        saved_word_id=read("saved_word_id", parse_id),
        question_id=read("question_id", parse_id),
        answer=read("answer", parse_answer),
        review_id=read("review_id", parse_uuid, optional=True),
        reviewed_at=read("reviewed_at", parse_time, optional=True),
    )


def read_member(
    members: Members,
    name: str,
    parse: Callable[[object], Any],
    *,
    at: str = "$",
    optional: bool = False,
) -> Any:
    """Return what an object has under a name; raise Fault with its path."""
    given = [value for key, value in members if key == name]
    if len(given) > 1:
        raise Fault(f"{at}.{name}: is given twice; give it once.")
    if optional and given in ([], [None]):
        return None
    if not given:
        raise Fault(f"{at}.{name}: is missing.")
    try:
        return parse(given[0])
    except Fault as fault:
        raise Fault(f"{at}.{name}: {fault}") from None


def parse_uuid(value: object) -> str:
    """Return a UUID in lower case, its hyphens in place (RFC 9562, 4); raise Fault."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Fault("must be a UUID like 550e8400-e29b-41d4-a716-446655440000.")
    return value.lower()


def parse_id(value: object) -> int:
    """Return the number of a row; raise Fault."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 5.0 is whole as well (JSON Schema, 6.3)
    if type(value) is not int or not 1 <= value <= ID_MAX:
        raise Fault(f"must be a whole number from 1 to {ID_MAX}.")
    return value


def parse_answer(value: object) -> str:
    """Return the text of an answer; raise Fault for what PostgreSQL can't keep."""
    if not isinstance(value, str) or not 1 <= len(value) <= ANSWER_MAX:
        raise Fault(f"must be text of 1 to {ANSWER_MAX} characters.")
    if "\0" in value:
        raise Fault("can't hold the character U+0000.")
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Fault("holds half of a surrogate pair.")
    return value


def parse_time(value: object) -> datetime:
    """Return a time with its zone (RFC 3339, 5.6); raise Fault."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # there is no such day or hour
    raise Fault("must be a time with its zone like 2026-01-31T18:30:00Z.")


def fit_time(given: datetime | None, now: datetime) -> datetime:
    """Return when an answer was given, at the latest now; raise Fault."""
    if given is None:
        return now
    if given > now + AHEAD:
        raise Fault("$.reviewed_at: lies in the future; check the clock.")
    if given < now - AGE_MAX:
        raise Fault(f"$.reviewed_at: is more than {AGE_MAX.days} days ago.")
    return min(given, now)
