from __future__ import annotations

import pytest

from server.library.levels.ladder import (
    LADDER,
    Figures,
    LadderError,
    explain_large,
    explain_needless,
    limit_bit_rate,
    limit_bytes,
    parse_ladder,
)


@pytest.mark.parametrize(
    ("text", "heights"),
    [
        ("360,720", (360, 720)),
        ("720,360,720", (360, 720)),
        ("144", (144,)),
        (",".join(map(str, LADDER)), LADDER),
    ],
)
def test_ladder_is_sorted_and_has_each_once(
    text: str, heights: tuple[int, ...]
) -> None:
    assert parse_ladder(text) == heights


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a list"),
        ("360,", "not a list"),
        ("360p", "not a list"),
        ("٣٦٠", "not a list"),
        ("142", "not an even height"),
        ("361", "not an even height"),
        ("2162", "not an even height"),
        ("144,146,148,150,152,154,156", "7 levels are more than 6"),
    ],
)
def test_what_is_no_ladder_gets_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(LadderError, match=reason):
        parse_ladder(text)


@pytest.mark.parametrize(
    ("width", "height", "needed"),
    [(1280, 720, False), (720, 1280, False), (1282, 722, True), (722, 1282, True)],
)
def test_level_is_needed_below_the_shorter_side(
    width: int, height: int, needed: bool
) -> None:
    original = Figures(width, height, 1, 30, "avc1")
    assert bool(explain_needless(original, 720)) is not needed


def test_level_has_to_save_fifteen_percent() -> None:
    assert limit_bytes(1000) == 850
    assert "15%" in explain_large()
    assert explain_large(900, 1000).startswith("it would save 10%, ")
    assert explain_large(1100, 1000).startswith("it would save 0%, ")


def test_bits_grow_more_slowly_than_pixels() -> None:
    small = limit_bit_rate(640, 360, 30)
    large = limit_bit_rate(1280, 720, 30)
    assert 2 * small < large < 4 * small
    assert limit_bit_rate(640, 360, 0.1) == limit_bit_rate(640, 360, 1)
    assert limit_bit_rate(640, 360, 240) == limit_bit_rate(640, 360, 60)
