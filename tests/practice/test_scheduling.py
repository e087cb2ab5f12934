"""The dates, worked out by hand from the formulas of FSRS-6 and its usual weights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.practice.scheduling import Card, plan_review

START = datetime(2026, 3, 28, 12, 0, 0, 700_000, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def plan(*answers: tuple[timedelta, bool]) -> tuple[Card, datetime]:
    """Return what is known after answers, each so long after the start."""
    card: Card | None = None
    for after, correct in answers:
        card, due = plan_review(card, correct=correct, at=START + after)
    assert card is not None
    return card, due


LEARNED = ((0 * DAY, True), (10 * MINUTE, True))
KEPT = (*LEARNED, (10 * MINUTE + 2 * DAY, True))
AGAIN = 10 * MINUTE + 13 * DAY


@pytest.mark.parametrize(
    ("answers", "due", "stability"),
    [
        # a new word: steps of 1 and 10 minutes; the weights 0 and 2
        (((0 * DAY, False),), MINUTE, 0.212),
        (((0 * DAY, True),), 10 * MINUTE, 2.3065),
        # on the same day it gains nothing here, and 2.3065 days are 2
        (LEARNED, 10 * MINUTE + 2 * DAY, 2.3065),
        # from then on by what is likely still known, 0.9 after as many days as due
        (KEPT, 10 * MINUTE + 13 * DAY, 10.9710),
        ((*KEPT, (AGAIN, True)), AGAIN + 46 * DAY, 46.3169),
        ((*KEPT, (AGAIN, False)), AGAIN + 10 * MINUTE, 1.5390),
    ],
)
def test_word_is_due_as_fsrs_says(
    answers: tuple[tuple[timedelta, bool], ...], due: timedelta, stability: float
) -> None:
    card, found = plan(*answers)
    assert found == (START + due).replace(microsecond=0)
    assert card.stability == pytest.approx(stability, abs=1e-4)


def test_wrong_answer_makes_a_word_harder() -> None:
    right, _ = plan(*KEPT, (AGAIN, True))
    wrong, _ = plan(*KEPT, (AGAIN, False))
    assert wrong.difficulty > right.difficulty
    assert wrong.stability < right.stability


def test_answer_that_comes_late_turns_no_time_back() -> None:
    card, due = plan(*KEPT)
    late, due_late = plan_review(card, correct=True, at=START - 30 * DAY)
    assert late.last_review == card.last_review
    assert due_late >= due


def test_zone_of_an_answer_makes_no_difference() -> None:
    east = timezone(timedelta(hours=8))
    card, _ = plan(*LEARNED)
    moved = card._replace(last_review=card.last_review.astimezone(east))
    at = START + 5 * DAY
    assert plan_review(moved, correct=True, at=at.astimezone(east)) == plan_review(
        card, correct=True, at=at
    )


def test_due_date_stays_in_the_calendar() -> None:
    card: Card | None = None
    at = START
    for _ in range(60):
        card, due = plan_review(card, correct=True, at=at)
        assert at < due + timedelta(seconds=1)
        assert due - at <= timedelta(days=36_500)
        at = min(due, datetime(2400, 1, 1, tzinfo=UTC))
