"""What --fix mends has HLS afterwards, of the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clips import make
from tests.hls.virtual import build, read_packets
from tests.library.clips.test_hls_rules import tell
from tests.library.clips.test_repair import FIXED, mend, sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.ffmpeg.sandbox import Sandbox

__all__ = ["sandbox"]

REFUSED_BEFORE = {
    "fragmented": "note hls-fragmented",
    "fragmented hev1": "note hls-fragmented",
    "hev1": None,
    "timecode with moov last": None,
    "QuickTime with timecode": None,
}


@pytest.mark.parametrize("name", REFUSED_BEFORE)
def test_fixed_clip_has_hls_of_its_samples(
    name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", FIXED[name])
    before = path.read_bytes()
    assert tell(before) == REFUSED_BEFORE[name]
    mended = mend(path, sandbox).read_bytes()
    assert tell(mended) is None
    expected, found = read_packets(before), read_packets(build(mended))
    assert expected.keys() == found.keys()
    for kind, packets in expected.items():
        assert [each.size for each in found[kind]] == [each.size for each in packets]
