"""JSON bodies and queries: what is wrong is a Fault with a sentence, nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from server.admin.links import FIELDS as LINK_FIELDS
from server.admin.links import QUERY_FIELDS, build_target
from server.admin.uploads import FILE_NAME
from server.api.errors import build_error_response
from server.api.fields import TRUTH, parse_fields, required
from server.api.strict_json import Members, parse_object
from server.errors import Fault
from server.practice.batch import FIELDS as BATCH_FIELDS
from server.practice.submission import fit_time, parse_submission
from server.practice.views import parse_views

WORDS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"1e400", b"-0"),
    *(b"NaN", b"Infinity", b"9" * 25, b"5.0", b"\\ud800", b"\\u0000", b"\xef\xbb\xbf"),
    *(b'"user_id":"550e8400-e29b-41d4-a716-446655440000"', b'"saved_word_id":1'),
    *(b'"question_id":2', b'"answer":"a"', b'"review_id":null', b'"reviewed_at":'),
    *(b'"2026-01-31T18:30:00Z"', b'"0001-01-01T00:00:00+23:59"', b'"views":['),
    *(b'{"video_id":7,"reached":"start"}', b'"word":', b'"language":"en"', b"[" * 99),
    *(b"filename=", b"count=", b"user_id=", b"definition=", b"&", b"%00", b"%ff"),
]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_UPLOAD = {"filename": required(FILE_NAME), "now": TRUTH}


def fuzz_json(data: bytes) -> None:
    """Read a body as each route does that takes one."""
    for read in (read_review, parse_views, read_link):
        with expecting_fault():
            read(data)
    with suppress(Fault):
        check_object(data, parse_object(data))


class expecting_fault(suppress):
    """Lets a Fault pass whose sentence can be answered with."""

    def __init__(self) -> None:
        super().__init__(Fault)

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if not isinstance(error, Fault):
            return False
        response = build_error_response(400, str(error))
        assert isinstance(response.body, bytes)
        json.loads(response.body)["error"].encode()
        return True


def read_review(data: bytes) -> None:
    """Read an answer of a learner, and see that PostgreSQL can keep it."""
    submission = parse_submission(data)
    at = fit_time(submission.reviewed_at, NOW)
    assert at <= NOW
    at.isoformat().encode()
    assert 1 <= submission.saved_word_id < 1 << 63 > submission.question_id >= 1
    assert "\0" not in submission.answer
    submission.answer.encode()


def read_link(data: bytes) -> None:
    """Read what a clip is to be linked to."""
    build_target(parse_fields(parse_object(data), LINK_FIELDS))


def check_object(data: bytes, members: Members) -> None:
    """See that the standard library reads the same names and plain values."""
    plain = json.loads(data)
    assert set(plain) == {name for name, _ in members}
    for name, value in dict(members).items():
        if isinstance(value, (str, bool, float)) and value not in (float("inf"),):
            assert plain[name] == value


def fuzz_query(data: bytes) -> None:
    """Read a query as each route does that takes one."""
    text = data.decode(errors="replace")
    pairs = parse_qsl(text, keep_blank_values=True)
    for types, is_open in (
        (BATCH_FIELDS, True),
        (QUERY_FIELDS, False),
        (_UPLOAD, False),
    ):
        with expecting_fault():
            found = parse_fields(pairs, types, ignore_unknown=is_open)
            if types is QUERY_FIELDS:
                build_target(found)
            for name, value in found.items():
                check_value(name, value)


def check_value(name: str, value: object) -> None:
    """See that what was read is what PostgreSQL or a file system can keep."""
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    if isinstance(value, int):
        assert value < 1 << 63
    if name == "filename":
        assert isinstance(value, str)
        assert "/" not in value
