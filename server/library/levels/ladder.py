"""Which levels a clip gets, and how large they may be. No I/O.

A height in the ladder is that of the shorter side, as everywhere in limits: 360 makes
640 by 360 of a clip that lies, and 360 by 640 of one that stands.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LADDER = (360, 720)
"""For clips of phones, 720p or 1080p: one level that starts at once on a slow line, and
one for screens of phones where the clip has more than they show."""

LEAST, MOST = 144, 2160
RUNGS_MAX = 6
FPS_MAX = 60.0
SAVES = 0.15  # of the original's bytes, or the level is not worth its place
_RATE_AT = 640 * 360 * 30  # pixels a second at which x264 needs so many bits:
_RATE = 900_000
_GROWTH = 0.75  # of bits with pixels: detail grows more slowly


class Figures(NamedTuple):
    """What is known of a video or level; width and height as it is shown."""

    width: int
    height: int
    bit_rate: int  # bits per second, mean of the whole file
    frame_rate: float
    codecs: str  # as RFC 6381 has them

    @property
    def shorter(self) -> int:
        """Return the pixels of the shorter side."""
        return min(self.width, self.height)


class LadderError(ValueError):
    """Heights that cannot be a ladder; the message says why."""


def parse_ladder(text: str) -> tuple[int, ...]:
    """Return the heights of a list like 360,720, the least first; LadderError."""
    if not re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", text):
        raise LadderError(f"{text!r} is not a list of heights like 360,720")
    heights = sorted({int(height) for height in text.split(",")})
    for height in heights:
        if not LEAST <= height <= MOST or height % 2:
            raise LadderError(f"{height} is not an even height from {LEAST} to {MOST}")
    if len(heights) > RUNGS_MAX:
        raise LadderError(f"{len(heights)} levels are more than {RUNGS_MAX}")
    return tuple(heights)


def explain_needless(original: Figures, height: int) -> str:
    """Return why a clip needs no level of a height; nothing if it may."""
    if original.shorter <= height:
        return f"the clip itself has no more than {height} pixels on its shorter side"
    return ""


def limit_bytes(size: int) -> int:
    """Return how many bytes a level of a clip may have."""
    return int(size * (1 - SAVES))


def explain_large(size: int | None = None, original: int = 0) -> str:
    """Return that a level is not kept, and what it saves if that is known."""
    least = f"{SAVES:.0%} of the clip's bytes"
    if size is None or not original:
        return f"it would save less than {least}"
    saved = max(1 - size / original, 0)
    return f"it would save {saved:.0%}, which is less than {least}"


def limit_bit_rate(width: int, height: int, frame_rate: float) -> int:
    """Return the bits per second that the pictures of a level may take at most.

    Quality decides below; this bounds what noise and water would take.
    """
    pixels = width * height * min(max(frame_rate, 1.0), FPS_MAX)
    most: float = _RATE * (pixels / _RATE_AT) ** _GROWTH
    return round(most)
