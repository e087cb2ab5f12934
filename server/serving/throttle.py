"""How long what one client address has too much of has to wait. No I/O."""

from __future__ import annotations

RATE = 100  # a second and address
BURST_SECONDS = (
    1.0  # as many as come in it, if there were none before, wait for nothing
)
LONGEST_SECONDS = 2.0  # that one waits, since what waits takes room


class Throttle:
    """Knows for each address when the last one it was asked for has its turn."""

    def __init__(self) -> None:
        self._turns: dict[str, float] = {}  # by monotonic

    def delay(self, address: str, now: float) -> float:
        """Return how many seconds one more of this address has to wait, often none."""
        earliest = now - BURST_SECONDS
        turn = max(self._turns.get(address, earliest), earliest) + 1 / RATE
        self._turns[address] = turn = min(turn, now + LONGEST_SECONDS)
        return max(turn - now, 0.0)

    def forget(self, now: float) -> None:
        """Forget the addresses that would wait no less if they were new."""
        earliest = now - BURST_SECONDS
        self._turns = {
            address: turn for address, turn in self._turns.items() if turn > earliest
        }

    def __len__(self) -> int:
        return len(self._turns)
