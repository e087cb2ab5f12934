"""What GETs of videos ask for, as metrics call it. No I/O."""

from __future__ import annotations

KINDS = (
    *("whole", "closed", "open", "suffix", "several", "unsatisfiable", "ignored"),
    "none",
)
"""What a GET of a video asked for; ignored is a Range that got a 200, and none is what
got no bytes of a video for another reason, such as 304 or 404."""


def find_kind(asked: str | None, status: int) -> str:
    """Return which of KINDS a GET with this Range header was, by the answer."""
    if status == 206 and asked:
        if "," in asked:
            return "several"
        if "=-" in asked:
            return "suffix"
        return "open" if asked.endswith("-") else "closed"
    if status == 200:
        return "ignored" if asked else "whole"
    return "unsatisfiable" if status == 416 else "none"
