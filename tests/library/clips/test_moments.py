"""Which moments of a clip have a picture each."""

from __future__ import annotations

import pytest

from server.library.clips.moments import (
    MOST_MOMENTS,
    parse_moment,
    render_moment,
    snap_moment,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("3.2", 3200),
        ("0", 0),
        ("007", 7000),
        ("1.23456", 1234),
        ("999999", 999_999_000),
        ("1000000", 999_999_000),
        ("9" * 5000, 999_999_000),
        ("0" * 5000 + "1.5", 1500),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.", None),
        (".5", None),
        ("1e3", None),
        ("nan", None),
        ("1,5", None),
        (" 1", None),
        ("٣", None),
        ("1\n", None),
    ],
)
def test_moment_is_a_plain_number(text: str, moment: int | None) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    ("asked", "length", "moment"),
    [
        (3200, 10_000, 3200),
        (3399, 10_000, 3200),
        (99_000, 10_000, 11_000),
        (130_000, 3_600_000, 130_000),
        (134_999, 3_600_000, 130_000),
        (3399, 0, 1000),
        (3399, None, 3000),
        (9_999_999, None, 3_601_000),
    ],
)
def test_moment_is_one_of_a_few(asked: int, length: int | None, moment: int) -> None:
    assert snap_moment(asked, length) == moment
    assert snap_moment(moment, length) == moment


@pytest.mark.long
@pytest.mark.parametrize("length", [1, 200_000, 200_001, 7_000_000, 99_999_000])
def test_moments_of_a_clip_are_bounded(length: int) -> None:
    found = {snap_moment(asked, length) for asked in range(0, length + 2000, 50)}
    assert len(found) <= MOST_MOMENTS + 1000 // 200 + 2


@pytest.mark.parametrize(("moment", "text"), [(0, "0"), (3200, "3.2"), (10_000, "10")])
def test_moment_is_written_without_idle_zeros(moment: int, text: str) -> None:
    assert render_moment(moment) == text
    assert parse_moment(text) == moment
