"""What warming an edge came to. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from server.edge.caches import KEPT
from server.library.report import show_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.edge.warm import Warmed


class Totals:
    """Counts what became of videos."""

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()  # by state; "" where the edge is silent
        self.after: Counter[str] = Counter()
        self.fetched = 0  # bytes
        self.failed: list[Warmed] = []

    def add(self, warmed: Warmed) -> None:
        """Count one more."""
        if warmed.before is not None:
            self.before[warmed.before] += 1
        if warmed.error:
            self.failed.append(warmed)
            return
        self.after[warmed.after or ""] += 1
        self.fetched += warmed.fetched

    @property
    def lost(self) -> int:
        """Return how many the edge says it does not keep, though they were fetched."""
        return sum(
            self.after[state] for state in self.after if state not in (*KEPT, "")
        )

    @property
    def status(self) -> int:
        """Return the exit status: 1 a video did not come, 3 the edge keeps it not."""
        return 1 if self.failed else 3 if self.lost else 0

    def render_short(self) -> str:
        """Return what a progress bar has room for."""
        kept = sum(self.before[state] for state in KEPT)
        return f"{kept:,} were kept, {len(self.failed):,} failed"

    def render(self) -> str:
        """Return the counts, and what to do where they are not as they should be."""
        if not self.after and not self.failed:
            return "There was no video to fetch."
        lines = [
            f"before: {_render_states(self.before)}",
            f"after: {_render_states(self.after)}",
            f"fetched {show_bytes(self.fetched)}, {len(self.failed):,} failed",
        ]
        if self.lost:
            lines.append(
                f"{self.lost:,} are not kept though they were fetched: "
                "bytereel check-edge with the URL of one tells why"
            )
        if self.after[""]:
            lines.append(
                "The edge does not say what it keeps, so the next run fetches all anew."
            )
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """Return all as one object."""
        return {
            "before": _name_states(self.before),
            "after": _name_states(self.after),
            "fetched_bytes": self.fetched,
            "failed": [
                {"video_id": each.video_id, "url": each.url, "error": each.error}
                for each in self.failed
            ],
        }


def _name_states(states: Mapping[str, int]) -> dict[str, int]:
    return {state or "unknown": number for state, number in sorted(states.items())}


def _render_states(states: Mapping[str, int]) -> str:
    told = [f"{number:,} {state}" for state, number in _name_states(states).items()]
    return ", ".join(told) or "none"
