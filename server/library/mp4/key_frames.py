"""The units of which samples of H.264 and H.265 are made. No I/O of its own.

Sources: ITU-T H.264, 7.3.1 and table 7-1; H.265, table 7-1; ISO/IEC 14496-15, 4.3.3.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError
from server.library.mp4.chunks import list_places
from server.library.mp4.parameter_sets import read_avc_sequence, read_hevc_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.mp4.boxes import Read
    from server.library.mp4.sample_tables import Samples
    from server.library.mp4.track import Track

_AVC_IDR, _AVC_SEI = 5, 6
_AVC_SLICES = range(1, 6)
_RECOVERY_POINT = 6  # a payload of supplemental enhancement information (D.1.8)
# Types of sequence parameter sets, and what reads them: of H.265, of H.264.
_SEQUENCES = ((33, read_hevc_sequence), (7, read_avc_sequence))
_HEVC_SKIPPED = {8, 9}  # RASL
_HEVC_CLOSED = range(16, 21)  # BLA and IDR
_HEVC_CRA = 21
_HEVC_SLICES = range(32)
# What no clip has; what a file made for that has would take minutes to look at.
_MOST_UNITS = 2_000_000  # of all samples
_MOST_SEQUENCES = 1_000  # different parameter sets that are read


class KeyFrames(NamedTuple):
    """Where decoding can begin, by what the samples are; numbers start at 1."""

    closed: list[int]  # nothing before is needed, ever
    open: list[int]  # pictures that are shown before may need what was before
    broken: list[int]  # samples that are not made of whole units
    without: list[int]  # samples in which no picture is
    sizes: set[tuple[int, int]]  # pixels, by parameter sets in the samples
    skipped: list[int]  # what decoders leave out that begin at the one before
    of_avc: bool  # H.264, else H.265


def find_key_frames(read: Read, track: Track) -> KeyFrames | None:
    """Return where decoding can begin; None for codings of another kind.

    Also for several in one track, and for more samples or units than a clip may have.
    """
    coding = track.coding
    if not coding.unit_width or coding.encrypted or len(track.codings) > 1:
        return None
    if not track.samples.is_readable:
        return None
    is_avc = coding.is_avc
    found = KeyFrames([], [], [], [], set(), [], is_avc)
    left, sequences = _MOST_UNITS, set[bytes]()
    for number, (offset, size) in enumerate(list_places(track.table), 1):
        sample = read(offset, size)
        units = list(islice(split_units(sample, coding.unit_width), left))
        left -= len(units)
        if not left:
            return None
        found.sizes.update(_list_sizes(units, is_avc, sequences))
        if not units or sum(map(len, units)) + len(units) * coding.unit_width != size:
            found.broken.append(number)
        elif not any(_get_type(unit, is_avc) in _slices(is_avc) for unit in units):
            found.without.append(number)
        elif is_avc:
            _sort_avc(found, number, units)
        else:
            _sort_hevc(found, number, units)
    return found


def split_units(sample: bytes, width: int) -> Iterator[bytes]:
    """Yield the units of a sample, as far as each is whole and not empty."""
    at = 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + width], "big")
        at += width + size
        if not size or at > len(sample):
            return
        yield sample[at - size : at]


def _list_sizes(
    units: list[bytes], is_avc: bool, known: set[bytes]
) -> Iterator[tuple[int, int]]:
    """Yield the sizes of pictures that parameter sets tell that are not known yet."""
    kind, reader = _SEQUENCES[is_avc]
    for unit in units:
        is_new = _get_type(unit, is_avc) == kind and unit not in known
        if is_new and len(known) < _MOST_SEQUENCES:
            known.add(unit)
            with suppress(MalformedError):
                told = reader(unit)
                yield told.width, told.height


def _get_type(unit: bytes, is_avc: bool) -> int:
    return unit[0] & 31 if is_avc else unit[0] >> 1 & 63


def _slices(is_avc: bool) -> range:
    return _AVC_SLICES if is_avc else _HEVC_SLICES


def _sort_avc(found: KeyFrames, number: int, units: list[bytes]) -> None:
    kinds = {_get_type(unit, True) for unit in units}
    if _AVC_IDR in kinds:
        found.closed.append(number)
    elif any(_recovers(unit) for unit in units if unit[0] & 31 == _AVC_SEI):
        found.open.append(number)


def _recovers(unit: bytes) -> bool:
    """Report whether a unit says that decoding can begin here (H.264, 7.3.2.3.1)."""
    at = 1
    while at + 1 < len(unit):
        kind = size = 0
        while at < len(unit) and unit[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + unit[at : at + 1].ljust(1, b"\0")[0], at + 1
        while at < len(unit) and unit[at] == 255:
            size, at = size + 255, at + 1
        size, at = size + unit[at : at + 1].ljust(1, b"\0")[0], at + 1
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _sort_hevc(found: KeyFrames, number: int, units: list[bytes]) -> None:
    kinds = {_get_type(unit, False) for unit in units}
    if kinds & set(_HEVC_CLOSED):
        found.closed.append(number)
    elif _HEVC_CRA in kinds:
        found.open.append(number)
    elif kinds & _HEVC_SKIPPED:
        found.skipped.append(number)


def plan_marks(found: KeyFrames, samples: Samples) -> list[int] | None:
    """Return the numbers to be marked as key frames, None if the marks are right.

    An open one may go unmarked. Without any key frame there is nothing to mark.
    """
    true = {*found.closed, *found.open, *found.broken}  # the last are damaged, no lies
    told = range(1, samples.total + 1) if samples.keys is None else samples.keys
    marked, is_sorted = set(told), all(map(int.__lt__, [0, *told], told))
    if not true or (is_sorted and set(found.closed) <= marked <= true):
        return None
    return sorted(set(found.closed) | (marked & true) | ({1} & true))
