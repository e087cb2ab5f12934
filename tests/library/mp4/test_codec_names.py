"""Names of codecs, as the standards' own examples have them."""

from __future__ import annotations

import pytest

from server.library.mp4.aac import AacConfig
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codec_names import name_codec
from server.library.mp4.codecs import Coding
from tests.clips import box

HEVC = bytes.fromhex("01 01 60000000 b00000000000 5d")
HIGH = bytes.fromhex("01 62 20000000 9000000000a0 78")


@pytest.mark.parametrize(
    ("codec", "kind", "record", "name"),
    [
        ("avc1", b"avcC", "01 64 00 1f", "avc1.64001F"),
        ("avc3", b"avcC", "01 42 e0 1e", "avc1.42E01E"),
        ("hvc1", b"hvcC", HEVC.hex(), "hvc1.1.6.L93.B0"),
        ("hev1", b"hvcC", HIGH.hex(), "hvc1.A2.4.H120.90.0.0.0.0.A0"),
        ("av01", b"av1C", "81 04 40", "av01.0.04M.10"),
        ("av01", b"av1C", "81 53 e0", "av01.2.19H.12"),
        ("vp09", b"vpcC", "01000000 02 0a a0", "vp09.02.10.10"),
        ("dvhe", b"dvcC", "01 00 0a30", "dvh1.05.06"),
    ],
)
def test_pictures_have_profile_and_level(
    codec: str, kind: bytes, record: str, name: str
) -> None:
    entry = Tree(bytes(78) + box(kind, bytes.fromhex(record)))
    assert name_codec(entry, Coding(codec)) == name


def test_sound_has_its_object_type() -> None:
    assert name_codec(Tree(b""), Coding("mp4a", aac=AacConfig(5, 2))) == "mp4a.40.5"


def test_entry_without_a_record_is_refused() -> None:
    with pytest.raises(MalformedError, match="without its record"):
        name_codec(Tree(bytes(78)), Coding("av01"))
