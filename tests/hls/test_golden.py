"""The generator makes the same bytes for good.

Players and caches keep parts of hls1.mp4 for a year. If a digest here is to change,
change VERSION as well: the new bytes must have another address.
"""

from __future__ import annotations

from hashlib import sha256

import pytest

from server.hls.layout import VERSION
from server.hls.playlists import render_iframes, render_media
from tests.hls.virtual import build, plan
from tests.hls.written import WRITTEN

DIGESTS: dict[str, tuple[str, str]] = {
    "a chunk for each sample": ("4fca3f0b", "f6c1a14d2fa93de2"),
    "chunks of 0.5 s": ("d74bd7e7", "74b66c9ef521b908"),
    "chunks of 0.7 s": ("e00022cf", "921a1db6ea15674f"),
    "pictures out of order": ("852e431d", "5eebdc921a133749"),
    "signed shifts": ("e9aa9ce5", "5eebdc921a133749"),
    "QuickTime": ("ae05b83f", "5eebdc921a133749"),
    "late sound": ("87e5fd9c", "5aa445e0010bffb5"),
    "late pictures": ("4867306c", "70e5030537c3a757"),
    "primed sound": ("4fb49564", "15551d9c88b9346a"),
    "pictures only": ("0105a485", "a6018723a020f113"),
    "sound only": ("0fe05922", "410e3ff05bfdf7f6"),
    "index last": ("cd8e8153", "f6c1a14d2fa93de2"),
    "places of 64 bits": ("ebf01624", "f6c1a14d2fa93de2"),
    "holes": ("006ac873", "5c573f116509808a"),
    "pictures, then sound": ("92438f56", "d8ef0efcbb3dff92"),
    "sound, then pictures": ("25e91c83", "ddf06d66bf4ac263"),
    "sound a second late in the file": ("660fdab7", "44fc159a197e2bc6"),
    "long sound": ("8275a298", "460f54185c1da45b"),
    "long pictures": ("76849d4e", "71297ca606fb98f3"),
    "long pictures out of order, short sound": ("a124f252", "c38baf7c12e1506b"),
    "long sound, pictures out of order": ("5c908e6c", "13d9f7a5f818801f"),
    "long GOP": ("da8f82e9", "4fe7574984d8e2ec"),
    "rotated": ("10b07878", "23d0d0eddf228071"),
    "key frames only": ("25ed6188", "75cd88e0e47eac8c"),
    "two sample entries": ("b3e0f9a8", "0eafe6ff228a1835"),
}
"""Of the file as it was written, and of all that clients get of it."""


def digest(data: bytes) -> str:
    """Return a digest of the virtual file and its playlists."""
    layout, told = plan(data), sha256(build(data))
    told.update(render_media(layout, "hls1.mp4").encode())
    if layout.has_pictures:
        told.update(render_iframes(layout, "hls1.mp4").encode())
    return told.hexdigest()[:16]


def test_digests_are_of_this_version() -> None:
    assert VERSION == "hls1"
    assert DIGESTS.keys() == WRITTEN.keys()


@pytest.mark.parametrize("name", WRITTEN)
def test_bytes_are_those_of_the_version(name: str) -> None:
    written = sha256(WRITTEN[name]).hexdigest()[:8]
    assert (written, digest(WRITTEN[name])) == DIGESTS[name]
