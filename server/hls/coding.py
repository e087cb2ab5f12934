"""Does a client take gzip (RFC 9110, 12.5.3)? No I/O."""

from __future__ import annotations

import re

_CODING = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*"
    r"(?:;[ \t]*[qQ]=([01](?:\.[0-9]{0,3})?)[ \t]*)?"
)


def accepts_gzip(header: str) -> bool:
    """Report whether Accept-Encoding names gzip, or anything, and does not refuse it.

    Elements that break the grammar count for nothing.
    """
    weights: dict[str, float] = {}
    for element in header.split(","):
        if match := _CODING.fullmatch(element):
            weights[match[1].lower()] = float(match[2] or 1)
    return weights.get("gzip", weights.get("*", 0)) > 0
