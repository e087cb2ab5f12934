"""Every field is told of in the same way: its name, what it must be, what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.api.fields import (
    TRUTH,
    FieldFault,
    choice,
    digits,
    list_of,
    nullable,
    object_of,
    parse_fields,
    required,
    text,
    whole_number,
)
from server.api.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.api.fields import FieldType

STEP = object_of({"at": required(whole_number(9)), "note": text(3)})
TYPES = {
    "name": required(text(5, shortest=1)),
    "sort": choice("newest", "oldest", "size"),
    "fast": nullable(TRUTH),
    "count": whole_number(100),
    "page": digits(10),
    "steps": list_of(STEP, 2),
}
WORST = "text of 1 to 5 characters without U+0000 or unpaired surrogates"


def read(sent: str, types: Mapping[str, FieldType] = TYPES) -> dict[str, Any]:
    return parse_fields(parse_object(sent.encode()), types)


def test_what_is_given_is_read() -> None:
    sent = (
        '{"steps": [{"at": 1.0, "note": ""}], "page": "10", "count": 100,'
        ' "fast": null, "sort": "size", "name": "漂亮"}'
    )
    assert read(sent) == {
        "name": "漂亮",
        "sort": "size",
        "fast": None,
        "count": 100,
        "page": 10,
        "steps": [{"at": 1, "note": ""}],
    }
    assert read('{"name": "a", "fast": true}') == {"name": "a", "fast": True}
    rest = parse_object(b'{"name": "a", "more": 1, "more": 2}')
    assert parse_fields(rest, TYPES, ignore_unknown=True) == {"name": "a"}


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("{}", f"name is missing; it must be {WORST}."),
        ('{"name": "a", "name": "a"}', "name is given twice; give it once."),
        ('{"name": 5}', f"name must be {WORST}, not 5."),
        ('{"name": null}', f"name must be {WORST}, not null."),
        ('{"name": "漂亮漂亮漂亮"}', f'name must be {WORST}, not "漂亮漂亮漂亮".'),
        (f'{{"name": "{"x" * 99}"}}', f"name must be {WORST}, not text of 99"),
        ('{"name": "\\u202e\\u0000"}', f'name must be {WORST}, not "\\u202e\\u0000".'),
        ('{"name": "\\ud83d"}', f'name must be {WORST}, not "\\ud83d".'),
        (
            '{"name": "a", "sort": "age"}',
            'sort must be newest, oldest or size, not "age".',
        ),
        ('{"name": "a", "fast": 1}', "fast must be true or false, not 1."),
        (
            '{"name": "a", "count": "5"}',
            'count must be a whole number from 1 to 100, not "5".',
        ),
        (
            '{"name": "a", "count": true}',
            "count must be a whole number from 1 to 100, not true.",
        ),
        (
            f'{{"name": "a", "count": {"9" * 5000}}}',
            "count must be a whole number from 1 to 100, not a number beyond that.",
        ),
        (
            '{"name": "a", "page": "05"}',
            'page must be a whole number from 1 to 10, not "05".',
        ),
        (
            '{"name": "a", "page": "11"}',
            'page must be a whole number from 1 to 10, not "11".',
        ),
        (
            '{"name": "a", "page": 5}',
            "page must be a whole number from 1 to 10, not 5.",
        ),
        (
            '{"name": "a", "steps": {}}',
            "steps must be a list of at most 2, not an object.",
        ),
        (
            '{"name": "a", "steps": [1, 2, 3]}',
            "steps must be a list of at most 2, not a list of 3.",
        ),
        (
            '{"name": "a", "steps": [{"at": 1}, 5]}',
            "steps[1] must be a JSON object, not 5.",
        ),
        (
            '{"name": "a", "steps": [{"at": 1}, {"at": 10}]}',
            "steps[1].at must be a whole number from 1 to 9, not 10.",
        ),
        (
            '{"name": "a", "steps": [{}]}',
            "steps[0].at is missing; it must be a whole number from 1 to 9.",
        ),
        (
            '{"name": "a", "steps": [{"at": 1, "by": 2}]}',
            'steps[0]."by" is no known field; there are: at, note.',
        ),
        (
            f'{{"{"x" * 99}": 1}}',
            "text of 99 characters is no known field; there are: name, ",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(sent: str, sentence: str) -> None:
    with pytest.raises(FieldFault) as fault:
        read(sent)
    assert str(fault.value).startswith(sentence)
    assert len(str(fault.value)) < 200


def test_where_nothing_is_known_that_is_told() -> None:
    with pytest.raises(FieldFault, match=r'^"x" is no known field; there are: none'):
        read('{"x": 1}', {})
