"""The moments of a clip that have a picture each, so that these are bounded. No I/O."""

from __future__ import annotations

import re
from itertools import chain

MOST_MOMENTS = 1000  # of a clip
_STEPS_MS = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000)
_UNKNOWN_MS = 3_600_000, 1000  # the length of a clip that tells none, and its step
_LAST_MS = 999_999_000  # behind the end of every clip
_SECONDS = re.compile(r"0*([0-9]+)(?:\.([0-9]+))?")


def parse_moment(text: str) -> int | None:
    """Return the milliseconds of a decimal number of seconds; None if it is none.

    What is behind the end of every clip becomes 999999 seconds.
    """
    found = _SECONDS.fullmatch(text)
    if found is None:
        return None
    if len(found[1]) > len(str(_LAST_MS // 1000)):
        return _LAST_MS
    return int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0")[:3])


def snap_moment(asked_ms: int, length_ms: int | None) -> int:
    """Return the moment that stands for another: the one at or before it.

    The longer the clip, the further they are apart. The last lies a second behind the
    end at most, since the length was rounded.
    """
    length, step = _UNKNOWN_MS
    if length_ms is not None:
        length, steps = length_ms, chain(_STEPS_MS, (length_ms // MOST_MOMENTS + 1,))
        step = next(each for each in steps if length <= each * MOST_MOMENTS)
    return min(asked_ms, length + 1000) // step * step


def render_moment(moment_ms: int) -> str:
    """Return it in seconds, without zeros at the end."""
    return f"{moment_ms / 1000:.3f}".rstrip("0").rstrip(".")
