"""Histograms as Prometheus wants them. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def accumulate(
    counts: Sequence[int], bounds: Sequence[float]
) -> list[tuple[str, float]]:
    """Return cumulative buckets, as histograms want them."""
    total, buckets = 0, []
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
