"""Rows are written from RFC 9110, 5.6.7, 8.8.3 and 13.1."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.video.conditions import (
    modified_since,
    parse_date,
    parse_tags,
    range_may_resume,
    tag_matches,
    tag_matches_weakly,
)

TAG = '"video-5"'
WHEN = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the RFC's example

TAGS = [
    ('"xyzzy"', ['"xyzzy"']),
    ('W/"xyzzy"', ['W/"xyzzy"']),
    ('""', ['""']),
    ('"a", "b"', ['"a"', '"b"']),
    ('"a","b" ,\tW/"c"', ['"a"', '"b"', 'W/"c"']),
    (', ,"a", ,"b",', ['"a"', '"b"']),
    ('"a,b", "c"', ['"a,b"', '"c"']),
    ('"é"', ['"é"']),
    ("", []),
    ("xyzzy", []),
    ("'xyzzy'", []),
    ('w/"xyzzy"', []),
    ('"a b"', []),
    ('"a""b"', []),
    ('"a" "b"', []),
    ('"a', []),
    ('"a", b, "c"', ['"a"']),
]

DATES = [
    ("Sun, 06 Nov 1994 08:49:37 GMT", WHEN),
    ("Sunday, 06-Nov-94 08:49:37 GMT", WHEN),
    ("Sun Nov  6 08:49:37 1994", WHEN),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ("Thu, 29 Feb 2024 23:59:59 GMT", 1709251199),
    ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),
]

NO_DATES = [
    "",
    "0",
    "784111777",
    "yesterday",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Wed, 30 Feb 2022 08:49:37 GMT",
    "Wed, 00 Jan 2022 08:49:37 GMT",
    "Sat, 01 Jan 0000 00:00:00 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    "1994-11-06T08:49:37Z",
]

STRONG = [
    ("*", True),
    (" * ", True),
    ('"video-5"', True),
    ('"a", "video-5"', True),
    ('W/"video-5"', False),
    ('"video-6"', False),
    ("video-5", False),
    ('"*"', False),
    ("", False),
]

WEAK = [
    *((header, holds) for header, holds in STRONG if not header.startswith("W/")),
    ('W/"video-5"', True),
    ('"a", W/"video-5"', True),
    ('W/"video-6"', False),
]

RESUMES = [
    ('"video-5"', True),
    (' "video-5"', True),
    ('W/"video-5"', False),
    ('"video-6"', False),
    ('"video-5", "a"', False),
    ("*", False),
    ("", False),
    ("Sun, 06 Nov 1994 08:49:37 GMT", True),
    ("Sunday, 06-Nov-94 08:49:37 GMT", True),
    ("Sun, 06 Nov 1994 08:49:38 GMT", False),
    ("Sun, 06 Nov 1994 08:49:36 GMT", False),
    ("yesterday", False),
]


@pytest.mark.parametrize(("header", "tags"), TAGS)
def test_tags_are_read_up_to_the_first_fault(header: str, tags: list[str]) -> None:
    assert parse_tags(header) == tags


@pytest.mark.parametrize(("header", "seconds"), DATES)
def test_date_is_read_in_its_three_forms(header: str, seconds: int) -> None:
    assert parse_date(header) == seconds


@pytest.mark.parametrize("header", NO_DATES)
def test_other_text_is_no_date(header: str) -> None:
    assert parse_date(header) is None


def test_two_digit_year_lies_at_most_fifty_years_ahead() -> None:
    this = datetime.now(UTC).year
    for year in range(this - 49, this + 51):
        day = datetime(year, 7, 1, tzinfo=UTC)
        text = day.strftime("%A, %d-%b-%y %H:%M:%S GMT")
        assert parse_date(text) == day.timestamp()


@pytest.mark.parametrize(("header", "holds"), STRONG)
def test_if_match_compares_strongly(header: str, holds: bool) -> None:
    assert tag_matches(header, TAG) is holds


@pytest.mark.parametrize(("header", "holds"), WEAK)
def test_if_none_match_compares_weakly(header: str, holds: bool) -> None:
    assert tag_matches_weakly(header, TAG) is holds


@pytest.mark.parametrize(
    ("header", "newer"),
    [
        ("Sun, 06 Nov 1994 08:49:36 GMT", True),
        ("Sun, 06 Nov 1994 08:49:37 GMT", False),
        ("Sun, 06 Nov 1994 08:49:38 GMT", False),
        ("yesterday", None),
    ],
)
def test_modified_since_needs_a_date(header: str, newer: bool | None) -> None:
    assert modified_since(header, WHEN) is newer
    assert modified_since(header, None) is None


@pytest.mark.parametrize(("header", "may"), RESUMES)
def test_if_range_wants_the_very_same(header: str, may: bool) -> None:
    assert range_may_resume(header, TAG, WHEN) is may


@given(st.datetimes(datetime(1971, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 # hypothesis wants them naive
def test_dates_are_those_of_the_standard_library(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC, microsecond=0)
    assert parse_date(format_datetime(moment, usegmt=True)) == moment.timestamp()
    asctime = f"{moment:%a %b} {moment.day:2} {moment:%H:%M:%S %Y}"
    assert parse_date(asctime) == moment.timestamp()


def model_tags(header: str) -> set[str]:
    """Cut the list by hand, sign by sign (RFC 9110, 8.8.3)."""
    tags: set[str] = set()
    rest = header
    while rest := rest.lstrip(" \t,"):
        weak = "W/" if rest.startswith("W/") else ""
        rest = rest.removeprefix("W/")
        if not rest.startswith('"') or '"' not in rest[1:]:
            break
        opaque, rest = rest[1:].split('"', 1)
        after = rest.lstrip(" \t")
        if any(sign <= " " or sign == "\x7f" for sign in opaque):
            break
        if after and not after.startswith(","):
            break
        tags.add(f'{weak}"{opaque}"')
        rest = after
    return tags


tag = st.sampled_from(['"video-5"', 'W/"video-5"', '"a"', '""', '"a,b"', "x", '"'])
lists = st.lists(tag, max_size=5).map(", ".join) | st.text('W/"a, 5\t', max_size=20)


@given(lists)
def test_tags_are_those_of_the_model(header: str) -> None:
    tags = model_tags(header)
    assert set(parse_tags(header)) == tags
    star = header.strip(" \t") == "*"
    assert tag_matches(header, '"a"') == (star or '"a"' in tags)
    assert tag_matches_weakly(header, '"a"') == (
        star or '"a"' in tags or 'W/"a"' in tags
    )


@given(st.text(max_size=50))
def test_any_text_is_compared_without_an_error(text: str) -> None:
    parse_tags(text)
    parse_date(text)
    range_may_resume(text, TAG, WHEN)
    assert range_may_resume(text, TAG, None) is (text.strip(" \t") == TAG)
