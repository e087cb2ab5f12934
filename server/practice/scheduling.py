"""When a word is due again, by FSRS. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fsrs import Card as Fsrs
from fsrs import Rating, Scheduler, State

# Without chance: the same answers at the same times give the same dates.
_SCHEDULER = Scheduler(enable_fuzzing=False)


class Card(NamedTuple):
    """What FSRS knows of a saved word once it was answered."""

    state: int
    step: int | None
    stability: float
    difficulty: float
    last_review: datetime


def plan_review(
    card: Card | None, *, correct: bool, at: datetime
) -> tuple[Card, datetime]:
    """Return what is known after an answer, and when the word is due, a whole second.

    An answer older than the last one counts as given with that: it came in late, and
    must not turn the time back.
    """
    if card is not None:
        at = max(at, card.last_review)
    rating = Rating.Good if correct else Rating.Again
    after, _ = _SCHEDULER.review_card(_to_fsrs(card), rating, at.astimezone(UTC))
    return _from_fsrs(after), after.due.replace(microsecond=0)


def _to_fsrs(card: Card | None) -> Fsrs:
    if card is None:
        return Fsrs(card_id=0)  # a number of its own would cost it a sleep
    return Fsrs(
        card_id=0,
        state=State(card.state),
        step=card.step,
        stability=card.stability,
        difficulty=card.difficulty,
        last_review=card.last_review.astimezone(UTC),
    )


def _from_fsrs(card: Fsrs) -> Card:
    # after a review they are known
    assert card.stability is not None
    assert card.difficulty is not None
    assert card.last_review is not None
    return Card(
        card.state.value, card.step, card.stability, card.difficulty, card.last_review
    )
