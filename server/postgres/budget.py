"""How long one answer may wait for PostgreSQL, with all its waits together. No I/O."""

from __future__ import annotations

from contextvars import ContextVar


class Budget:
    """Seconds that an answer may still wait until its head goes out."""

    __slots__ = ("_whole", "left")

    def __init__(self, seconds: float, used: float = 0.0) -> None:
        """Begin with seconds, of which some may be used already."""
        self._whole = seconds
        self.left = seconds - used

    def renew(self) -> None:
        """Begin anew: a part of the answer has gone out."""
        self.left = self._whole


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


def begin_budget(seconds: float, used: float = 0.0) -> None:
    """Let this task, and those it starts, wait so long from now on."""
    _current.set(Budget(seconds, used))


def find_budget() -> Budget | None:
    """Return the budget of this task, None for work that is no answer."""
    return _current.get()


def lower_budget(seconds: float) -> None:
    """Let what is left of this task's budget be at most so much."""
    budget = _current.get()
    if budget is not None:
        budget.left = min(budget.left, seconds)


def renew_budget() -> None:
    """Let this task wait as long as at its start."""
    budget = _current.get()
    if budget is not None:
        budget.renew()
