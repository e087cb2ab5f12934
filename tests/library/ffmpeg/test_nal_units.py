"""Units are found in samples of either form, and their kinds are read."""

from __future__ import annotations

import pytest

from server.library.ffmpeg.nal_units import (
    H264,
    H265,
    is_accessory,
    is_delimiter,
    is_key,
    is_parameter_set,
    is_reference,
    join_units,
    read_width,
    split_units,
)

IDR, P, B = b"\x65abc", b"\x41abc", b"\x01abc"
RECOVERY = bytes([6, 5, 1, 99, 6, 1, 0xC4, 0x80])  # behind a message of another kind
LATER = bytes([6, 6, 1, 0x24, 0x80])  # right only some pictures later


def test_units_are_split_in_both_forms() -> None:
    units = [IDR, P]
    assert split_units(join_units(units), None) == units
    assert split_units(b"\0\0\1" + IDR + b"\0\0\0\0\1" + P + b"\0", None) == units
    lengths = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    assert split_units(lengths, 2) == units


@pytest.mark.parametrize("sample", [b"\0\0\0\x09abc", b"\0\0\0\0", b"\0\0"])
def test_lengths_must_fill_the_sample(sample: bytes) -> None:
    with pytest.raises(ValueError, match="whole units"):
        split_units(sample, 4)


def test_width_stands_in_the_configuration() -> None:
    assert read_width(H264, b"\1\x64\0\x1e\xff\xe1") == 4
    assert read_width(H265, b"\1" + bytes(20) + b"\xfd") == 2
    assert read_width(H264, b"\0\0\0\1\x67") is None
    assert read_width(H264, b"") is None


@pytest.mark.parametrize(
    ("codec", "units", "key"),
    [
        (H264, [b"\x09\xf0", IDR], True),
        (H264, [P], False),
        (H264, [RECOVERY, P], True),
        (H264, [LATER, P], False),
        (H264, [b"\x06", P], False),
        (H265, [b"\x26\1a"], True),
        (H265, [b"\x02\1a"], False),
    ],
)
def test_key_frames_are_known_by_their_units(
    codec: str, units: list[bytes], key: bool
) -> None:
    assert is_key(codec, units) is key


def test_pictures_without_followers_are_known() -> None:
    assert is_reference(H264, [P])
    assert not is_reference(H264, [b"\x09\xf0", B])
    assert is_reference(H265, [b"\x02\1a"])
    assert not is_reference(H265, [b"\x00\1a"])


def test_units_that_are_no_pictures_are_known() -> None:
    assert is_parameter_set(H264, b"\x67")
    assert is_parameter_set(H265, b"\x40\1")
    assert not is_parameter_set(H264, IDR)
    assert is_delimiter(H264, b"\x09\xf0")
    assert not is_delimiter(H265, b"\x26\1")
    assert is_accessory(H264, b"\x06")
    assert not is_accessory(H264, b"\x1f")  # of no type, so perhaps damaged
    assert not is_accessory(H265, b"\x7e\1")
