from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import Fault
from server.practice.submission import Submission, fit_time, parse_submission

USER = "550e8400-e29b-41d4-a716-446655440000"
RIGHT = {"user_id": USER, "saved_word_id": 123, "question_id": 456, "answer": "A"}
NOW = datetime(2026, 1, 31, 18, 30, tzinfo=UTC)


def body(**changes: Any) -> bytes:
    return json.dumps({**RIGHT, **changes}).encode()


def read(sent: bytes) -> Submission | str:
    """Return what was sent, or the sentence about it."""
    try:
        return parse_submission(sent)
    except Fault as fault:
        return str(fault)


def fault(sent: bytes) -> str:
    sentence = read(sent)
    assert isinstance(sentence, str)
    return sentence


def test_submission_is_read() -> None:
    expected = Submission(USER, 123, 456, "A", None, None)
    assert parse_submission(body()) == expected
    assert parse_submission(body(review_id=None, reviewed_at=None)) == expected
    assert parse_submission(body(user_id=USER.upper(), more={"a": [1]})) == expected
    assert parse_submission(body(saved_word_id=123.0)) == expected
    assert parse_submission(body(answer="漂亮的")).answer == "漂亮的"
    assert parse_submission(body(saved_word_id=2**63 - 1)).saved_word_id == 2**63 - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T18:30:00Z", NOW),
        ("2026-01-31T18:30:00.000Z", NOW),
        ("2026-02-01T02:30:00+08:00", NOW),
        ("2026-01-31T18:30:00.123456789Z", NOW + timedelta(microseconds=123_456)),
    ],
)
def test_time_is_read_with_its_zone(text: str, expected: datetime) -> None:
    assert parse_submission(body(reviewed_at=text)).reviewed_at == expected


@pytest.mark.parametrize("name", RIGHT)
def test_missing_member_is_named(name: str) -> None:
    rest = {key: value for key, value in RIGHT.items() if key != name}
    sentence = fault(json.dumps(rest).encode())
    assert sentence.startswith(f"{name} is missing; it must be ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("user_id", None, "UUID"),
        ("user_id", 5, "UUID"),
        ("user_id", "test", "UUID"),
        ("user_id", USER.replace("-", ""), "UUID"),
        ("user_id", f"{{{USER}}}", "UUID"),
        ("user_id", f"{USER}\n", "UUID"),
        ("review_id", "", "UUID"),
        ("saved_word_id", None, "whole number"),
        ("saved_word_id", "123", "whole number"),
        ("saved_word_id", True, "whole number"),
        ("saved_word_id", 0, "whole number"),
        ("saved_word_id", -1, "whole number"),
        ("saved_word_id", 1.5, "whole number"),
        ("saved_word_id", 2**63, "whole number"),
        ("question_id", 1e300, "whole number"),
        ("question_id", 10**4000, "whole number"),
        ("question_id", [456], "whole number"),
        ("answer", None, "text"),
        ("answer", 5, "text"),
        ("answer", {"id": "A"}, "text"),
        ("answer", "", "1 to 255"),
        ("answer", "x" * 256, "1 to 255"),
        ("answer", "A\0", "U+0000"),
        ("answer", "\ud83d", "surrogate"),
        ("reviewed_at", 1769884200, "time"),
        ("reviewed_at", "2026-01-31T18:30:00", "zone"),
        ("reviewed_at", "2026-01-31", "zone"),
        ("reviewed_at", "2026-02-30T18:30:00Z", "time"),
        ("reviewed_at", "2026-01-31T25:30:00Z", "time"),
        ("reviewed_at", "2026-W05-6T18:30:00Z", "time"),
        ("reviewed_at", "２０２６-01-31T18:30:00Z", "time"),
    ],
)
def test_wrong_member_is_named(name: str, value: object, words: str) -> None:
    sentence = fault(body(**{name: value}))
    assert sentence.startswith(f"{name} must be ")
    assert words in sentence


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"", "The body is not JSON at line 1, column 1: Expecting value."),
        (b"{", "The body is not JSON at line 1, column 2: "),
        (b'{"answer": "A",\n}', "The body is not JSON at line "),
        (b'{"answer": "A\n"}', "The body is not JSON at line 1, column 14: "),
        (b"{} {}", "The body is not JSON at line 1, column 4: "),
        (b"\xef\xbb\xbf{}", "The body is not JSON at line 1, column 1: "),
        (b'{"a": NaN}', "The body is not JSON: NaN"),
        (b'{"a": -Infinity}', "The body is not JSON: -Infinity"),
        (b'{"a": "\xff"}', "Byte 7 of the body is not UTF-8."),
        ('{"a": "ö"}'.encode("utf-16"), "Byte 0 of the body is not UTF-8."),
        (b"[" * 1_000_000, "The body is nested too deeply."),
        (b"null", "The body must be a JSON object."),
        (b"[]", "The body must be a JSON object."),
        (b'["user_id"]', "The body must be a JSON object."),
        (b'"text"', "The body must be a JSON object."),
        (b'{"answer": "A", "answer": "A"}', "user_id is missing; "),
        (body()[:-1] + b', "answer": "A"}', "answer is given twice; give it once."),
        (
            body()[:-1] + b', "\\u0061nswer": "B"}',
            "answer is given twice; give it once.",
        ),
    ],
)
def test_what_is_no_json_object_is_refused(sent: bytes, sentence: str) -> None:
    assert fault(sent).startswith(sentence)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_body_is_read_or_refused(sent: bytes) -> None:
    assert fault(sent).startswith(("The body ", "Byte ", "user_id is missing"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(Submission._fields), JSON)
@settings(max_examples=200, deadline=None)
def test_any_value_is_read_or_named(name: str, value: object) -> None:
    found = read(body(**{name: value}))
    if isinstance(found, str):
        assert found.startswith((f"{name} must be ", "The body is not JSON"))
    else:
        assert getattr(found, name) in (value, str(value).lower())


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        (None, NOW),
        (NOW - timedelta(days=3), NOW - timedelta(days=3)),
        (NOW - timedelta(days=365), NOW - timedelta(days=365)),
        (NOW + timedelta(seconds=60), NOW),
    ],
)
def test_time_is_at_the_latest_now(
    given_at: datetime | None, expected: datetime
) -> None:
    assert fit_time(given_at, NOW) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-01-31T18:31:01Z", "future"),
        ("9999-12-31T23:59:59-23:59", "future"),
        ("2025-01-31T18:29:59Z", "365 days ago"),
        ("0001-01-01T00:00:00+23:59", "365 days ago"),
    ],
)
def test_time_beyond_its_limits_is_refused(text: str, words: str) -> None:
    given_at = parse_submission(body(reviewed_at=text)).reviewed_at
    with pytest.raises(Fault, match=rf"^reviewed_at must not be .*{words}"):
        fit_time(given_at, NOW)
