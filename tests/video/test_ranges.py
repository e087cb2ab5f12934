"""Rows are written from RFC 9110, 14.1 and 14.2."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.video.ranges import SPECS_MAX, fit_ranges, parse_range

SIZE = 100

READ = [
    ("bytes=0-0", [(0, 0)]),
    ("bytes=0-499", [(0, 499)]),
    ("bytes=500-", [(500, None)]),
    ("bytes=-500", [(None, 500)]),
    ("bytes=-0", [(None, 0)]),
    ("BYTES=1-2", [(1, 2)]),
    ("Bytes=1-2", [(1, 2)]),
    ("bytes=000001-0002", [(1, 2)]),
    ("bytes=0-1,3-4", [(0, 1), (3, 4)]),
    ("bytes=0-1 , 3-4", [(0, 1), (3, 4)]),
    ("bytes=0-1,\t3-4", [(0, 1), (3, 4)]),
    ("bytes=,0-1,,3-4,", [(0, 1), (3, 4)]),
    ("bytes= 0-1 ", [(0, 1)]),
    ("bytes=-2,7-", [(None, 2), (7, None)]),
]

IGNORED = [
    "",
    "bytes",
    "bytes=",
    "bytes= ",
    "bytes=,",
    "bytes=-",
    "bytes=7",
    "bytes=5-4",
    "bytes=0-2,5-4",
    "bytes=0-1,x",
    "bytes=--5",
    "bytes=5--",
    "bytes=+1-+5",
    "bytes=1_0-2_0",
    "bytes=0x1-0x2",
    "bytes=1 0-20",
    "bytes=1 -2",
    "bytes=1- 2",
    "bytes=1.0-2",
    "bytes=a-z",
    "bytes=٠-٩",
    "bytes=²-³",
    "bytes=0-1;3-4",
    "bytes:0-1",
    "bytes 0-1",
    " bytes=0-1",
    "bytes =0-1",
    "items=0-5",
    "byte=0-5",
    "bytes=0-1=2",
    "bytes=1\n-2",
    "0-1",
]

FITTED = [
    ("bytes=0-0", [range(1)]),
    ("bytes=0-99", [range(100)]),
    ("bytes=0-", [range(100)]),
    ("bytes=99-", [range(99, 100)]),
    ("bytes=99-99", [range(99, 100)]),
    ("bytes=50-9999", [range(50, 100)]),
    ("bytes=-1", [range(99, 100)]),
    ("bytes=-500", [range(100)]),
    ("bytes=-" + "9" * 4400, [range(100)]),
    ("bytes=0-" + "9" * 4400, [range(100)]),
    ("bytes=" + "0" * 4400 + "-1", [range(2)]),
    # none can be satisfied: 416
    ("bytes=100-", []),
    ("bytes=100-200", []),
    ("bytes=-0", []),
    ("bytes=" + "9" * 4400 + "-", []),
    ("bytes=100-,200-,-0", []),
    # what can be satisfied, in the order asked
    ("bytes=100-,0-5", [range(6)]),
    ("bytes=90-91,10-11", [range(90, 92), range(10, 12)]),
    # overlapping and adjacent ones are one
    ("bytes=0-4,5-9", [range(10)]),
    ("bytes=0-9,3-4", [range(10)]),
    ("bytes=3-4,0-9", [range(10)]),
    ("bytes=0-4,6-9", [range(5), range(6, 10)]),
    ("bytes=-2,97-", [range(97, 100)]),
    ("bytes=80-89,0-9,85-95,5-12", [range(80, 96), range(13)]),
    ("bytes=0-,0-,0-,0-", [range(100)]),
]


@pytest.mark.parametrize(("header", "asked"), READ)
def test_range_is_read_as_sent(
    header: str, asked: list[tuple[int | None, int | None]]
) -> None:
    assert parse_range(header) == asked


@pytest.mark.parametrize("header", IGNORED)
def test_range_that_breaks_the_grammar_is_ignored(header: str) -> None:
    assert parse_range(header) is None


def test_long_positions_keep_their_order() -> None:
    assert parse_range(f"bytes={'1' * 30}-{'2' * 30}") is not None
    assert parse_range(f"bytes={'2' * 30}-{'1' * 30}") is None
    assert parse_range(f"bytes={'1' * 4400}-{'9' * 30}") is None


def test_too_many_ranges_are_not_granted() -> None:
    most = parse_range("bytes=" + ",".join(["0-1"] * SPECS_MAX))
    assert most is not None
    assert fit_ranges(most, SIZE) == [range(2)]
    more = parse_range("bytes=" + ",".join(["0-1"] * (SPECS_MAX + 1)))
    assert more is not None
    assert fit_ranges(more, SIZE) == []


@pytest.mark.parametrize(("header", "spans"), FITTED)
def test_range_is_fitted_to_the_size(header: str, spans: list[range]) -> None:
    asked = parse_range(header)
    assert asked is not None
    assert fit_ranges(asked, SIZE) == spans


# The model: RFC 9110's grammar as one pattern, and every position as a number in a
# set. Slow and obvious.

RANGE_SET = re.compile(
    r"bytes=[ \t,]*(\d+-\d*|-\d+)([ \t]*,[ \t]*(\d+-\d*|-\d+)?)*[ \t]*",
    re.ASCII | re.IGNORECASE,
)


def model(header: str, size: int) -> list[set[int]] | None:
    if RANGE_SET.fullmatch(header) is None:
        return None
    groups: list[set[int]] = []
    for text in re.findall(r"\d*-\d*", header[6:]):
        first, last = text.split("-")
        if first and last and int(last) < int(first):
            return None
        if not first:
            wanted = {n for n in range(size) if n >= size - int(last)}
        else:
            end = int(last) if last else size
            wanted = {n for n in range(size) if int(first) <= n <= end}
        if wanted:
            groups.append(wanted)
    joined = True
    while joined:
        joined = False
        for one in range(len(groups)):
            for two in range(one + 1, len(groups)):
                near = groups[two] | {n + 1 for n in groups[two]}
                near |= {n - 1 for n in groups[two]}
                if groups[one] & near:
                    groups[one] |= groups.pop(two)
                    joined = True
                    break
            if joined:
                break
    return groups


position = st.integers(0, 30).map(str) | st.sampled_from(["", "00", "007", "9" * 25])
spec = st.builds("{}-{}".format, position, position)
element = spec | spec | spec | st.sampled_from(["", " ", "x", "-", "1", "+1-2"])
gap = st.sampled_from([",", ", ", " ,", "\t,"])
headers = st.builds(
    lambda unit, first, rest: unit + first + "".join(a + b for a, b in rest),
    st.sampled_from(["bytes=", "bytes=", "BYTES=", "bits=", "bytes:"]),
    element,
    st.lists(st.tuples(gap, element), max_size=6),
)


@given(headers, st.integers(1, 30))
def test_ranges_are_those_of_the_model(header: str, size: int) -> None:
    expected = model(header, size)
    asked = parse_range(header)
    if expected is None:
        assert asked is None
        return
    assert asked is not None
    spans = fit_ranges(asked, size)
    assert [set(span) for span in spans] == expected
    assert sum(map(len, spans)) <= size


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for header in (text, f"bytes={text}"):
        asked = parse_range(header)
        assert asked is None or fit_ranges(asked, 10) is not None
