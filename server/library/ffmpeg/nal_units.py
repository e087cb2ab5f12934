"""The units that H.264 and H.265 samples consist of. No I/O.

Rec. ITU-T H.264, 7.3.1 and annex B; H.265, 7.3.1.2; ISO/IEC 14496-15, 5.3 and 8.3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

H264, H265 = STANDARDS = ("h264", "hevc")
_START_CODE = re.compile(b"\0\0\1")
_PLACES = {H264: 4, H265: 21}  # of the byte that tells the width of lengths
_PARAMETERS = {H264: (7, 8, 13, 15), H265: (32, 33, 34)}
_NEEDED = {H264: (7, 8), H265: (32, 33, 34)}  # the last two of sequence and picture
_MESSAGES = 6  # the type of supplemental enhancement information in H.264
_DELIMITERS = {H264: 9, H265: 35}
_ACCESSORIES = {H264: range(6, 14), H265: range(32, 41)}
_SLICES = {H264: range(1, 6), H265: range(32)}
_RECOVERY_POINT = 6  # the payload type of a SEI message


def read_width(codec: str, extra: bytes) -> int | None:
    """Return how wide the lengths before units are; None with start codes."""
    place = _PLACES[codec]
    if len(extra) > place and extra[0] == 1:
        return (extra[place] & 3) + 1
    return None


def split_units(sample: bytes, width: int | None) -> list[bytes]:
    """Return the units of a sample; ValueError if lengths do not fill it."""
    if width is None:
        ends = [found.span() for found in _START_CODE.finditer(sample)]
        stops = [start for start, _ in ends[1:]] + [len(sample)]
        spans = zip((end for _, end in ends), stops, strict=True)
        parts = (sample[start:stop].rstrip(b"\0") for start, stop in spans)
        return [part for part in parts if part]
    units, at = [], 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + width], "big")
        at += width
        if not size or at + size > len(sample):
            raise ValueError("a sample does not consist of whole units")
        units.append(sample[at : at + size])
        at += size
    return units


def join_units(units: Iterable[bytes]) -> bytes:
    """Return units with start codes before them."""
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def read_type(codec: str, unit: bytes) -> int:
    """Return the type that a unit's header tells."""
    return unit[0] & 31 if codec == H264 else unit[0] >> 1 & 63


def is_parameter_set(codec: str, unit: bytes) -> bool:
    """Report whether a unit holds parameters of many pictures."""
    return read_type(codec, unit) in _PARAMETERS[codec]


def is_delimiter(codec: str, unit: bytes) -> bool:
    """Report whether a unit only says that a picture begins."""
    return read_type(codec, unit) == _DELIMITERS[codec]


def is_accessory(codec: str, unit: bytes) -> bool:
    """Report whether a unit is known to hold no part of a picture."""
    return read_type(codec, unit) in _ACCESSORIES[codec]


def list_slices(codec: str, units: Iterable[bytes]) -> list[bytes]:
    """Return the units that hold parts of the picture."""
    return [unit for unit in units if read_type(codec, unit) in _SLICES[codec]]


def is_reference(codec: str, units: Iterable[bytes]) -> bool:
    """Report whether other pictures may refer to this one."""
    slices = list_slices(codec, units)
    if codec == H264:
        return any(unit[0] & 0x60 for unit in slices)
    return any(read_type(codec, unit) > 14 or unit[0] & 2 for unit in slices)


def is_key(codec: str, units: Iterable[bytes]) -> bool:
    """Report whether decoding can begin with a picture."""
    return any(
        is_random_access(codec, unit)
        or (
            codec == H264
            and read_type(codec, unit) == _MESSAGES
            and _tells_recovery(unit[1:])
        )
        for unit in units
    )


def is_random_access(codec: str, unit: bytes) -> bool:
    """Report whether a unit's own type says that decoding can begin with it."""
    kind = read_type(codec, unit)
    return kind == 5 if codec == H264 else 16 <= kind <= 21


def is_refresh(codec: str, unit: bytes) -> bool:
    """Report whether nothing behind a unit refers to what stands before it."""
    return read_type(codec, unit) in ((5,) if codec == H264 else (16, 17, 18, 19, 20))


def is_decodable_leading(codec: str, unit: bytes) -> bool:
    """Report whether a picture is shown before its key frame, yet needs none before."""
    return codec == H265 and read_type(codec, unit) in (6, 7)


def find_parameter_sets(codec: str, extra: bytes) -> list[bytes]:
    """Return the parameter sets that a configuration holds; none if it is cut short."""
    if read_width(codec, extra) is None:
        units = split_units(extra, None)
        return [unit for unit in units if is_parameter_set(codec, unit)]
    found: list[bytes] = []
    if codec == H264:
        at = 5
        for mask in (31, 255):  # of sequences, then of pictures
            count = extra[at] & mask if at < len(extra) else 0
            at = _take_units(extra, at + 1, count, found)
        return found
    at = 23
    for _ in range(extra[22] if len(extra) > 22 else 0):
        count = int.from_bytes(extra[at + 1 : at + 3], "big")
        at = _take_units(extra, at + 3, count, found)
    return [unit for unit in found if is_parameter_set(codec, unit)]


def _take_units(extra: bytes, at: int, count: int, found: list[bytes]) -> int:
    for _ in range(count):
        size = int.from_bytes(extra[at : at + 2], "big")
        unit = extra[at + 2 : at + 2 + size]
        at += 2 + size
        if unit:
            found.append(unit)
    return at


def is_complete(codec: str, sets: Iterable[bytes]) -> bool:
    """Report whether parameter sets of each needed kind are there."""
    kinds = {read_type(codec, unit) for unit in sets}
    return kinds >= set(_NEEDED[codec])


def count_sequences(codec: str, sets: Iterable[bytes]) -> int:
    """Return how many different sets of parameters of whole sequences there are."""
    kind = _NEEDED[codec][-2]
    return len({unit for unit in sets if read_type(codec, unit) == kind})


def _tells_recovery(messages: bytes) -> bool:
    """Report whether SEI messages say that all is right from here (H.264, D.2.8)."""
    at = 0
    while at + 2 < len(messages):
        kind, at = _take_sum(messages, at)
        size, at = _take_sum(messages, at)
        if kind == _RECOVERY_POINT:
            return messages[at : at + 1] >= b"\x80"  # after no further picture
        at += size
    return False


def _take_sum(messages: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends (H.264, 7.3.2.3.1)."""
    total = 0
    for byte in messages[at:]:
        total, at = total + byte, at + 1
        if byte != 0xFF:
            break
    return total, at
