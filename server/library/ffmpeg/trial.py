"""Make the clip that the self-test is about; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from server.library.ffmpeg.source import Source

_FRAMES = 6
_FRAME_RATE = 30
_SAMPLE_RATE = 48_000


def make_trial(_: Source, target: str) -> None:
    """Write an MP4 of a few grey pictures and a little silence."""
    with av.open(target, "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=_FRAME_RATE)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = out.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        for number in range(_FRAMES):
            picture = av.VideoFrame(64, 64, "yuv420p")
            for plane in picture.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            picture.pts, picture.time_base = number, Fraction(1, _FRAME_RATE)
            out.mux(video.encode(picture))
            sound = av.AudioFrame("fltp", "mono", 1024)
            sound.planes[0].update(bytes(sound.planes[0].buffer_size))
            sound.rate, sound.pts = _SAMPLE_RATE, number * 1024
            sound.time_base = Fraction(1, _SAMPLE_RATE)
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
