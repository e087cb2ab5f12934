"""AAC: its configuration, and with which element a frame begins. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# ISO/IEC 14496-3, table 1.17: the kinds whose frames are made of such elements.
_OF_ELEMENTS = {1, 2, 3, 4, 5, 29}
_SINGLE, _PAIR, _DATA, _PROGRAM, _FILL = 0, 1, 4, 5, 6  # table 4.85
# Table 1.19: with which element the frames of a channelConfiguration begin.
_FIRST = {1: _SINGLE, 2: _PAIR, 3: _SINGLE, 4: _SINGLE, 5: _SINGLE, 6: _SINGLE}
_FIRST |= {7: _SINGLE, 11: _SINGLE, 12: _SINGLE, 14: _SINGLE}
# Table 1.18.
_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000]
_RATES += [11025, 8000, 7350]
_FRAMES = (1024, 960, 2048, 1920)  # samples, before and after doubling
_SLACK = 0.05  # of a frame's length; some formats count milliseconds
_NAMES = {_SINGLE: "one channel", _PAIR: "two channels"}
_FILLERS = 16  # elements without sound that may stand before the first


class AacConfig(NamedTuple):
    """An AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)."""

    object_type: int
    channels: int  # channelConfiguration; 0 where the elements are listed
    rate: int = 0  # samples a second, before any doubling; 0 if not known

    def can_last(self, seconds: float) -> bool:
        """Report whether a frame can be as long as that."""
        if self.object_type not in _OF_ELEMENTS or not self.rate:
            return True
        lengths = (samples / self.rate for samples in _FRAMES)
        return any(abs(seconds - each) <= _SLACK * each for each in lengths)

    def find_contradiction(self, frame: bytes) -> str:
        """Return what a frame has instead of what is configured, nothing if it fits."""
        expected = _FIRST.get(self.channels)
        if self.object_type not in _OF_ELEMENTS or expected is None:
            return ""
        found = _find_first(frame)
        if found == expected or found not in _NAMES:
            return ""
        return _NAMES[found]


def count_contradictions(config: AacConfig, frames: Iterable[bytes]) -> Counter[str]:
    """Return how many frames have something else than is configured, by what it is."""
    found = Counter(map(config.find_contradiction, frames))
    del found[""]
    return found


def read_config(data: bytes) -> AacConfig | None:
    """Return the configuration, None for one that is cut short or says nothing."""
    if len(data) < 2:
        return None
    bits = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
    kind, at = bits >> 59, 5
    if kind == 31:
        kind, at = 32 + (bits >> 53 & 63), 11
    index = bits >> 60 - at & 15
    rate = bits >> 36 - at & 0xFFFFFF if index == 15 else 0
    if index < len(_RATES):
        rate = _RATES[index]
    at += 4 + (24 if index == 15 else 0)
    return AacConfig(kind, bits >> 60 - at & 15, rate) if kind else None


def _find_first(frame: bytes) -> int:
    """Return the first element with sound; -1 if there is none (4.4.2.1)."""
    bits = int.from_bytes(frame[:600], "big")
    size, at = len(frame[:600]) * 8, 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> max(size - at, 0) & ((1 << count) - 1)

    for _ in range(_FILLERS):
        if at + 3 > size:
            return -1
        kind = take(3)
        if kind == _FILL:
            count = take(4)
            count += take(8) - 1 if count == 15 else 0
            at += 8 * count
        elif kind == _DATA:
            take(4)
            aligned, count = take(1), take(8)
            count += take(8) if count == 255 else 0
            at += -at % 8 * aligned + 8 * count
        else:
            return kind
    return -1
