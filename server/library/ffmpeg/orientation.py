"""Which way up a picture is shown (ISO/IEC 14496-12, 8.3.2)."""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame

SWAP = ("transpose", "cclock_flip")
"""The filter that swaps x and y."""


def read_matrix(frame: VideoFrame) -> tuple[int, ...]:
    """Return how a place in the frame becomes one on the screen."""
    kept: Any = frame.side_data  # to which PyAV 18 gives another type than 19
    data = kept.get("DISPLAYMATRIX")
    return unpack("=9i", bytes(data)) if data else (1, 0, 0, 0, 1, 0, 0, 0, 1)


def plan_turn(matrix: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the filters that show a frame upright.

    From x and y of the frame come a x + c y and b x + d y of the screen.
    """
    a, b, _, c, d, *_ = matrix
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if swapped else (a, d)
    return [
        *([SWAP] if swapped else []),
        *([("hflip",)] if across < 0 else []),
        *([("vflip",)] if down < 0 else []),
    ]
