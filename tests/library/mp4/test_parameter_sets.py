"""Parameter sets as encoders write them, against what FFmpeg reads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.mp4.boxes import MalformedError
from server.library.mp4.movie import read_movie
from server.library.mp4.parameter_sets import read_avc_sequence, read_hevc_sequence
from tests.clips import X265, Kind, make

if TYPE_CHECKING:
    from pathlib import Path

MADE = {
    "H.264": Kind(),
    "cropped": Kind(width=70, height=50),
    "1080 lines": Kind(width=1920, height=1080, frames=1),
    "interlaced": Kind(width=64, height=72, options=(("x264-params", "tff=1"),)),
    "baseline": Kind(options=(("profile", "baseline"),)),
    "4:2:2": Kind(pixels="yuv422p", width=66, height=50),
    "4:4:4 and odd": Kind(pixels="yuv444p", width=65, height=63),
    "grey": Kind(pixels="gray", width=70, height=50),
    "10 bits": Kind(pixels="yuv420p10le"),
    "scaling lists": Kind(options=(("x264-params", "cqm=jvt"),)),
    "H.265": Kind("libx265", tag="hvc1", options=X265),
    "H.265 cropped": Kind("libx265", width=70, height=50, tag="hvc1", options=X265),
    "H.265 in layers": Kind(
        "libx265",
        tag="hvc1",
        options=(("x265-params", "log-level=none:temporal-layers=3"),),
    ),
    "H.265 of 10 bits": Kind("libx265", pixels="yuv422p10le", tag="hvc1", options=X265),
}


@pytest.mark.parametrize("kind", MADE)
def test_parameters_are_those_that_ffmpeg_reads(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", MADE[kind]._replace(audio=None))
    data = path.read_bytes()
    movie = read_movie(lambda at, size: data[at : at + size], len(data))
    assert movie is not None
    assert movie.picture is not None
    told = movie.picture.coding.parameters
    assert told is not None
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (told.width, told.height) == (context.width, context.height)
        pixels = context.format
    assert pixels is not None
    bits = pixels.components[0].bits
    chroma = {(True, True): "4:2:0", (True, False): "4:2:2", (False, False): "4:4:4"}
    halved = pixels.chroma_width(64) == 32, pixels.chroma_height(64) == 32
    expected = "4:0:0" if kind == "grey" else chroma[halved]  # FFmpeg pads grey
    assert (told.chroma, told.bit_depth) == (expected, bits)


@pytest.mark.parametrize("unit", [b"", b"\x67", b"\x67\x64\0\x1f", b"\x67" + bytes(99)])
def test_parameters_cut_short_are_malformed(unit: bytes) -> None:
    with pytest.raises(MalformedError, match="cut short"):
        read_avc_sequence(unit)
    with pytest.raises(MalformedError, match="cut short"):
        read_hevc_sequence(unit)
