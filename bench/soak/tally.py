"""What became of the requests of a soak."""

from __future__ import annotations

from collections import Counter
from time import monotonic

GRACE_SECONDS = 10.0  # after a fault, in which an answer may be late or refused
MOST_WRONG = 20  # sentences that are kept; all are counted


class Wrong(Exception):
    """An answer is not right, and no fault excuses it."""


class Refused(Exception):
    """The server said that it cannot answer now."""


class Tally:
    """Counts answers; knows which of them a fault excuses for being cut off."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.wrong_count = 0
        self.latencies: list[float] = []
        self._fault_at = float("-inf")

    def excuse(self, fault: str) -> None:
        """Note a fault of which answers may suffer for a moment."""
        self.faults[fault] += 1
        self._fault_at = monotonic()

    def excuses(self, begun: float) -> bool:
        """Report whether there was a fault while or just before something was asked.

        A slow reader sees much later that the rest will not come.
        """
        return self._fault_at > begun - GRACE_SECONDS

    def note_missing(self, kind: str, error: Exception, begun: float) -> None:
        """Note that an answer was refused or broke off; begun is when it was asked."""
        if self.excuses(begun):
            self.excused[kind] += 1
        else:
            self.note_wrong(kind, error)

    def note_wrong(self, kind: str, error: Exception) -> None:
        """Note that an answer is not as it must be."""
        self.wrong_count += 1
        if len(self.wrong) < MOST_WRONG:
            self.wrong.append(f"{kind}: {type(error).__name__}: {error}"[:300])

    def take_latencies(self) -> list[float]:
        """Return those since the last time."""
        taken, self.latencies = self.latencies, []
        return taken
