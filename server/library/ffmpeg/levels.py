"""Encode a level of a clip with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import av

from server.library.ffmpeg.output import explain
from server.library.ffmpeg.picture import EncodeLimits, Style
from server.library.ffmpeg.transcode import DamagedError, judge, try_encoding

if TYPE_CHECKING:
    from server.library.ffmpeg.source import Source

    # Why it failed, empty if it did not; and whether it was too large to be kept.
    LevelAnswer = tuple[str, bool]


def encode_level(
    source: Source, target: str, limit: tuple[int, int, float], most_bit_rate: int
) -> LevelAnswer:
    """Make an MP4 of less height, with a key frame every two seconds.

    limit holds the fields of EncodeLimits; what comes to more bytes than it allows is
    given up. most_bit_rate is that of the picture, in bits per second. All levels of a
    clip have the same pictures, and their groups begin at the same ones.
    """
    style = Style(
        preset="medium",
        crf=23,
        threads=1,  # the others are for those who watch
        most_bit_rate=most_bit_rate,
        sound_bit_rate=96_000,
        aligned=True,
    )
    within = EncodeLimits(*limit)
    try:
        attempt = try_encoding(source, target, within, style=style)
        judge(attempt.damage, accept_damage=False)
    except (DamagedError, av.FFmpegError, OSError, ValueError) as error:
        return explain(error), False
    is_small = attempt.is_whole and Path(target).stat().st_size <= within.bytes
    return "", not is_small
