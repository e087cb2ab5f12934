"""What was asked of an edge, and what came. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PART_BYTES = 65_536
"""The longest range that is asked, and as much of any body as is kept."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")


class EdgeProbe(NamedTuple):
    """A request that a player or an edge would send."""

    name: str
    headers: Mapping[str, str] = {}
    method: str = "GET"


class EdgeAnswer(NamedTuple):
    """What came; headers by their names in small letters."""

    question: EdgeProbe
    status: int = 0  # 0: no answer
    headers: Mapping[str, str] = {}
    received: int = 0  # bytes of the body
    body: bytes = b""  # its first PART_BYTES
    digest: str = ""  # SHA-256 of all that was received
    parts: Mapping[range, bytes] = {}  # the pieces of the body that were to be kept
    cut: bool = False  # we wanted no more of it
    error: str = ""  # why no more came

    @property
    def length(self) -> int | None:
        """Return Content-Length."""
        text = self.headers.get("content-length", "")
        return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None

    @property
    def encoded(self) -> bool:
        """Report whether the body is not the video itself."""
        return self.headers.get("content-encoding", "identity") != "identity"

    @property
    def chunked(self) -> bool:
        """Report whether the body came in chunks, without a length."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def span(self) -> range | None:
        """Return the bytes that Content-Range names."""
        found = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        return range(int(found[1]), int(found[2]) + 1) if found else None

    @property
    def total(self) -> int | None:
        """Return the size of the whole that Content-Range names."""
        text = self.headers.get("content-range", "")
        found = _CONTENT_RANGE.fullmatch(text)
        if found:
            return int(found[3]) if found[3] != "*" else None
        found = _UNSATISFIED.fullmatch(text)
        return int(found[1]) if found else None


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by name; repeated ones become a list (RFC 9110, 5.3)."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        between = "\n" if key == "set-cookie" else ", "  # the one that is no list
        joined[key] = f"{joined[key]}{between}{value}" if key in joined else value
    return joined


def find_size(full: EdgeAnswer, probe: EdgeAnswer, head: EdgeAnswer) -> int | None:
    """Return the size of the video: what was counted goes before what was said once."""
    said_twice = probe.total if probe.total == head.length else None
    if full.status == 200 and not full.encoded and not full.error:
        return said_twice or (full.length if full.cut else full.received)
    if probe.status == 206:
        return probe.total
    return None
