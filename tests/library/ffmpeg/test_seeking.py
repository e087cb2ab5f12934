"""The frame of a moment, by decoding on or by seeking."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.ffmpeg.seeking import FrameFinder
from tests.clips import GOOD, make

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FPS = 10
KINDS = {
    "short groups": GOOD._replace(frames=60, fps=FPS, gop=5, audio=None),
    "one group": GOOD._replace(frames=60, fps=FPS, gop=60, audio=None),
    "in two directions": GOOD._replace(
        frames=60, fps=FPS, gop=20, options=(("bf", "3"),)
    ),
    "no index": GOOD._replace(
        codec="libvpx-vp9", format="webm", frames=60, fps=FPS, gop=20, audio=None
    ),
    "fragments": GOOD._replace(
        frames=60,
        fps=FPS,
        gop=10,
        movflags="+frag_keyframe+empty_moov",
        options=(("bf", "0"),),  # else it begins later
        audio=None,  # likewise
    ),
}


def find(path: Path, moments: Sequence[float], *, late: bool = False) -> list[int]:
    """Return which frames stand at these moments, by number."""
    until = monotonic() + (-1 if late else 60)
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        finder = FrameFinder(container, stream)
        found = [finder.find(moment, until) for moment in moments]
    return [round((frame.time or 0) * FPS) for frame in found if frame is not None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("moments", "numbers"),
    [
        ([0], [0]),
        ([3.2], [32]),
        ([3.25], [32]),
        ([0.1, 0.1, 0.35, 2.0, 5.9], [1, 1, 3, 20, 59]),
        ([5.0, 0.7, 3.0], [50, 7, 30]),
        ([6.0, 100.0, 1.0], [59, 59, 10]),
    ],
)
def test_frame_is_the_one_that_is_shown(
    tmp_path: Path, kind: str, moments: Sequence[float], numbers: Sequence[int]
) -> None:
    assert find(make(tmp_path / "clip", KINDS[kind]), moments) == numbers


def test_who_is_late_gets_what_was_decoded_by_then(tmp_path: Path) -> None:
    path = make(tmp_path / "clip", KINDS["one group"])
    [number] = find(path, [5.0], late=True)
    assert number < 50


def test_damage_is_passed_over(tmp_path: Path) -> None:
    path = make(tmp_path / "clip", KINDS["short groups"])
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[start : start + 400] = bytes(400)
    path.write_bytes(data)
    found = find(path, [0.2, 5.8])
    assert (found[0], found[-1]) == (2, 58)
