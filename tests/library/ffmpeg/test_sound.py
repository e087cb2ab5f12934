"""Encoded sound keeps step with the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.ffmpeg.sandbox import Sandbox
from tests.library.ffmpeg.encoding import (
    encode,
    make_late_sound,
    read_loudness,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_late_sound_begins_with_silence(tmp_path: Path, sandbox: Sandbox) -> None:
    encoded = encode(make_late_sound(tmp_path / "a.mp4"), sandbox)
    with av.open(str(encoded)) as container:
        start = container.streams.audio[0].start_time or 0
        assert start < 4800
    loud = read_loudness(encoded)
    assert max(loud[:5]) < 0.05
    assert min(loud[6:9]) > 0.3
