"""What the parameter sets of H.264 and H.265 say of a picture. No I/O.

They are in the sample description, and decoders heed them, whatever stands around them.
"""

from __future__ import annotations

from typing import NamedTuple

from server.library.mp4.boxes import MalformedError

# Profiles whose parameter sets tell colour sampling and depth (H.264, 7.3.2.1.1).
_HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
_MOST_BYTES = 256  # of a parameter set that are looked at

CHROMA = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")


class Sequence(NamedTuple):
    """A sequence parameter set; width and height are in pixels, as they are shown."""

    profile: int
    level: int
    width: int
    height: int
    chroma: str = CHROMA[1]
    bit_depth: int = 8


class _Bits:
    """Reads a parameter set bit by bit; MalformedError at its end."""

    def __init__(self, unit: bytes, standard: str) -> None:
        payload = unit[:_MOST_BYTES].replace(b"\0\0\3", b"\0\0")  # H.264, 7.4.1
        self._bits = "".join(f"{byte:08b}" for byte in payload)
        self._at, self._standard = 0, standard

    def take(self, count: int) -> int:
        """Return a number of so many bits."""
        bits = self._bits[self._at : self._at + count]
        if len(bits) < count:
            raise MalformedError(
                f"has an {self._standard} track whose parameters are cut short"
            )
        self._at += count
        return int(bits, 2) if bits else 0

    def number(self) -> int:
        """Return an Exp-Golomb number (H.264, 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Return a signed one (H.264, 9.1.1)."""
        number = self.number()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def read_avc_sequence(unit: bytes) -> Sequence:
    """Return what a sequence parameter set of H.264 says (7.3.2.1.1)."""
    bits = _Bits(unit, "H.264")
    bits.take(8)
    profile, _, level = bits.take(8), bits.take(8), bits.take(8)
    bits.number()
    chroma, depth, planes = 1, 8, False
    if profile in _HIGH_PROFILES:
        chroma = bits.number()
        planes = chroma == 3 and bool(bits.take(1))
        depth = bits.number() + 8
        bits.number()
        bits.take(1)
        if bits.take(1):
            _skip_scaling(bits, 12 if chroma == 3 else 8)
    bits.number()
    _skip_order(bits)
    bits.number()
    bits.take(1)
    width, rows = (bits.number() + 1) * 16, bits.number() + 1
    progressive = bits.take(1)
    if not progressive:
        bits.take(1)
    height = rows * 16 * (2 - progressive)
    bits.take(1)
    across, down = _measure_units(0 if planes else chroma)
    if bits.take(1):
        left, right, top, bottom = (bits.number() for _ in range(4))
        width -= (left + right) * across
        height -= (top + bottom) * down * (2 - progressive)
    return _check(Sequence(profile, level, width, height, CHROMA[chroma & 3], depth))


def _check(told: Sequence) -> Sequence:
    if not (0 < told.width < 1 << 16 and 0 < told.height < 1 << 16):
        raise MalformedError(
            f"has parameters of a picture of {told.width}×{told.height} pixels"
        )
    return told


def _skip_scaling(bits: _Bits, lists: int) -> None:
    """Skip the scaling lists (H.264, 7.3.2.1.1.1)."""
    for number in range(lists):
        last = following = 8
        for _ in range(16 if number < 6 else 64) if bits.take(1) else ():
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _skip_order(bits: _Bits) -> None:
    """Skip how the order of pictures is counted (H.264, 7.3.2.1.1)."""
    kind = bits.number()
    if kind == 0:
        bits.number()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.number()):
            bits.signed()


def _measure_units(chroma: int) -> tuple[int, int]:
    """Return how many pixels a unit of cropping is wide and high (H.264, table 6-1)."""
    return {1: (2, 2), 2: (2, 1)}.get(chroma, (1, 1))


def read_hevc_sequence(unit: bytes) -> Sequence:
    """Return what a sequence parameter set of H.265 says (7.3.2.2.1)."""
    bits = _Bits(unit, "H.265")
    bits.take(16 + 4)
    layers = bits.take(3)
    bits.take(1 + 3)
    profile = bits.take(5)
    bits.take(32 + 48)
    level = bits.take(8)
    _skip_layers(bits, layers)
    bits.number()
    chroma = bits.number()
    planes = chroma == 3 and bool(bits.take(1))
    width, height = bits.number(), bits.number()
    across, down = _measure_units(0 if planes else chroma)
    if bits.take(1):
        left, right, top, bottom = (bits.number() for _ in range(4))
        width -= (left + right) * across
        height -= (top + bottom) * down
    depth = bits.number() + 8
    return _check(Sequence(profile, level, width, height, CHROMA[chroma & 3], depth))


def _skip_layers(bits: _Bits, layers: int) -> None:
    """Skip the profiles and levels of sub-layers (H.265, 7.3.3)."""
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
