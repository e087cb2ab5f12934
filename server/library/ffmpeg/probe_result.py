"""What the sandbox tells of a file. No I/O."""

from __future__ import annotations

from typing import NamedTuple


class ProbeResult(NamedTuple):
    """What FFmpeg makes of a file."""

    format: str = ""  # a name for people; empty for what is none
    is_picture: bool = False
    seconds: float | None = None  # None if the file does not tell
    broken: str = ""  # why it cannot be decoded
