"""What the sandbox tells of a file. No I/O."""

from __future__ import annotations

from typing import NamedTuple


class ProbeResult(NamedTuple):
    """What FFmpeg makes of a file; moments are in seconds."""

    format: str = ""  # a name for people; empty for what is none
    is_picture: bool = False
    seconds: float | None = None  # None if the file does not tell
    broken: str = ""  # why it cannot be decoded
    picture_codec: str = ""  # FFmpeg's name of it
    sound_codec: str = ""
    pictures: int = 0  # that were decoded, or should have been
    bad_pictures: int = 0  # of these; damaged, or not to be decoded at all
    bad_picture: float = 0.0  # the moment of the first
    sounds: int = 0  # packets of sound that were decoded, or should have been
    bad_sounds: int = 0
    bad_sound: float = 0.0
    span: float | None = None  # from the first picture or sound to the last, if known
    disordered: int = 0  # pictures that are shown before others that precede them
    is_interlaced: bool = False
    transfer: int = 0  # ISO/IEC 23091-2, 8.2
