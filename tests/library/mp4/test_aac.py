"""AAC frames made by hand and by FFmpeg, against configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.mp4.aac import AacConfig, count_contradictions, read_config
from tests.clips import make

if TYPE_CHECKING:
    from pathlib import Path

MONO, STEREO = AacConfig(2, 1), AacConfig(2, 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x11\x88", AacConfig(2, 1, 48000)),
        (b"\x11\x90\x56\xe5\x00", AacConfig(2, 2, 48000)),
        (b"\x17\x80\0\0\x08", AacConfig(2, 1)),  # its rate is told in 24 bits
        (b"\xf9\x48\x20", AacConfig(42, 1, 44100)),  # the kind takes 11 bits
        (b"\x11", None),
        (b"", None),
        (b"\0\0", None),
    ],
)
def test_configuration_is_read(data: bytes, expected: AacConfig | None) -> None:
    assert read_config(data) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1024 / 48000, True),
        (0.021, True),  # in milliseconds
        (2048 / 48000, True),  # HE-AAC
        (960 / 48000, True),
        (1024 / 44100, False),
        (512 / 48000, False),
        (0.0, False),
    ],
)
def test_frame_lasts_as_long_as_its_rate_says(seconds: float, expected: bool) -> None:
    assert AacConfig(2, 1, 48000).can_last(seconds) is expected
    assert AacConfig(39, 1, 48000).can_last(seconds)


def pack_bits(bits: str) -> bytes:
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


SINGLE, PAIR = "000", "001"
FILL = "110" + "0010" + "0" * 16
LONG_FILL = "110" + "1111" + "00000011" + "1" * 8 * 17
DATA = "100" + "0000" + "1" + "00000001" + "1" * 8  # aligned: 16 bits before it
END = "111"


@pytest.mark.parametrize(
    ("bits", "config", "expected"),
    [
        (SINGLE, MONO, ""),
        (PAIR, STEREO, ""),
        (SINGLE, STEREO, "one channel"),
        (PAIR, MONO, "two channels"),
        (FILL + PAIR, MONO, "two channels"),
        (LONG_FILL + SINGLE, STEREO, "one channel"),
        (DATA + SINGLE, STEREO, "one channel"),
        (END, MONO, ""),
        (FILL * 99, MONO, ""),
        ("", MONO, ""),
        (PAIR, AacConfig(2, 0), ""),
        (PAIR, AacConfig(39, 1), ""),
    ],
)
def test_frame_is_held_against_its_configuration(
    bits: str, config: AacConfig, expected: str
) -> None:
    assert config.find_contradiction(pack_bits(bits) if bits else b"") == expected


def test_frames_that_ffmpeg_makes_are_as_configured(tmp_path: Path) -> None:
    with av.open(str(make(tmp_path / "a.mp4"))) as container:
        frames = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert len(frames) > 10
    assert not count_contradictions(MONO, frames)
    assert count_contradictions(STEREO, frames) == {"one channel": len(frames)}
