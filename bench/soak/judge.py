"""Does anything grow? Samples of a run, and what they say. No I/O.

The median of the last quarter is compared with that of the second: the first fills
caches and pools, and a median does not heed the moments in which something was broken.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEWEST = 8  # samples that can be judged


class Allowance(NamedTuple):
    """By how much a measure may grow, the larger of both."""

    share: float  # of what it was
    amount: float


class Sample(NamedTuple):
    """What was seen at a moment; what could not be seen then is left out."""

    seconds: float  # since the load began
    values: Mapping[str, float]


class Growth(NamedTuple):
    """How a measure went."""

    measure: str
    before: float  # median of the second quarter
    after: float  # and of the last
    allowed: float  # the most that it may be after

    @property
    def is_too_much(self) -> bool:
        """Report whether it grew by more than is allowed."""
        return self.after > self.allowed


ALLOWED = {
    "memory MiB": Allowance(0.10, 24),
    "descriptors": Allowance(0.10, 12),
    "threads": Allowance(0.0, 4),
    "tasks": Allowance(0.25, 12),
    "sessions": Allowance(0.0, 8),
    "PostgreSQL MiB": Allowance(0.25, 48),
    "p50 ms": Allowance(1.0, 30),
    "p99 ms": Allowance(1.0, 250),
}
"""The measures. Threads come up to a limit; latency is that of a busy machine."""


def judge(samples: Sequence[Sample]) -> list[Growth]:
    """Return how each measure went that was seen; none of too few samples."""
    if len(samples) < FEWEST:
        return []
    end = samples[-1].seconds
    second = [one for one in samples if end / 4 <= one.seconds < end / 2]
    last = [one for one in samples if one.seconds >= end * 3 / 4]
    found = []
    for name, allowance in ALLOWED.items():
        before, after = _take(second, name), _take(last, name)
        if before and after:
            was = median(before)
            most = was + max(was * allowance.share, allowance.amount)
            found.append(Growth(name, was, median(after), most))
    return found


def _take(samples: Sequence[Sample], name: str) -> list[float]:
    return [one.values[name] for one in samples if name in one.values]


def explain(growth: Growth) -> str:
    """Return a sentence on a measure that grew."""
    name, before, after, allowed = growth
    return (
        f"{name} grew from {before:,.1f} to {after:,.1f}, and may be {allowed:,.1f} at "
        "most: look for what is kept"
    )


def render(found: Sequence[Growth]) -> str:
    """Return a table in Markdown."""
    lines = [
        "| measure | second quarter | last quarter | allowed |",
        "|---|--:|--:|--:|",
    ]
    lines += [
        f"| {one.measure} | {one.before:,.1f} | {one.after:,.1f} | {one.allowed:,.1f} |"
        for one in found
    ]
    return "\n".join(lines)
