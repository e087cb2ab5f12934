"""What a sample description tells of a track's coding (ISO/IEC 14496-15). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.aac import AacConfig, read_config
from server.library.mp4.boxes import MalformedError
from server.library.mp4.parameter_sets import (
    CHROMA,
    Sequence,
    read_avc_sequence,
    read_hevc_sequence,
)

if TYPE_CHECKING:
    from server.library.mp4.boxes import Tree

# Bytes of fields before the boxes inside an entry (ISO/IEC 14496-12, 12.1.3, 12.2.3).
PICTURE_FIELDS = 78
SOUND_FIELDS = {0: 28, 1: 44, 2: 64}  # by version; QuickTime has the latter two
APPLE_TAGS = {"avc3": "avc1", "hev1": "hvc1", "dvhe": "dvh1"}
"""What Apple's players want a picture to be tagged instead."""

_SEQUENCE_UNIT = 33  # H.265, table 7-1
_MOST_UNITS = 1_000  # in a record; real ones have four
_CONFIG, _SPECIFIC = 4, 5  # ISO/IEC 14496-1, table 1


class Coding(NamedTuple):
    """How samples are coded; the numbers are the standards' own."""

    codec: str  # the entry's four letters, those before encryption
    encrypted: bool = False
    reference: int = 1  # data_reference_index (ISO/IEC 14496-12, 8.5.2.2)
    width: int = 0
    height: int = 0
    profile: int = 0
    level: int = 0
    chroma: str = CHROMA[1]
    bit_depth: int = 8
    has_parameters: bool = True  # outside the samples
    parameters: Sequence | None = None  # what these say
    is_avc: bool = False  # by its record, whatever the tag is
    unit_width: int = 0  # bytes of the length before each unit; 0: there are none
    aperture: tuple[int, int] | None = None  # of clap, in pixels
    transfer: int = 0  # ISO/IEC 23091-2, 8.2
    dolby_vision: tuple[int, int] | None = None  # profile, and what its base layer is
    object_type: int = 0  # ISO/IEC 14496-1, 7.2.6.6
    aac: AacConfig | None = None


def read_codings(stsd: Tree, handler: str) -> list[Coding]:
    """Return how the samples of each entry are coded; MalformedError."""
    return [_read_entry(entry, handler) for entry in stsd.children(8)]


def _read_entry(entry: Tree, handler: str) -> Coding:
    if handler == "vide":
        coding = _read_picture(entry)
    elif handler == "soun":
        coding = _read_sound(entry)
    else:
        return Coding(entry.kind, encrypted=entry.kind.startswith("enc"))
    return coding._replace(reference=entry.number(6, 2))


def _read_picture(entry: Tree) -> Coding:
    inside = {box.kind: box for box in reversed(entry.children(PICTURE_FIELDS))}
    coding = _decrypt(entry, inside)._replace(
        width=entry.number(24, 2),
        height=entry.number(26, 2),
        aperture=_read_aperture(inside.get("clap")),
        dolby_vision=_read_dolby(inside.get("dvcC", inside.get("dvvC"))),
    )
    colour = inside.get("colr")
    if colour and colour.text(0) in ("nclx", "nclc"):
        coding = coding._replace(transfer=colour.number(6, 2))
    if "avcC" in inside:
        return _read_avc(coding, inside["avcC"])
    if "hvcC" in inside:
        return _read_hevc(coding, inside["hvcC"])
    return coding._replace(has_parameters=False)


def _decrypt(entry: Tree, inside: dict[str, Tree]) -> Coding:
    """Return the entry's codec, and if it is one that hides another, that."""
    if entry.kind not in ("encv", "enca", "drmi", "drms"):
        return Coding(entry.kind)
    original = inside["sinf"].find("frma") if "sinf" in inside else None
    name = original.text(0) if original else entry.kind
    return Coding(name, encrypted=True)


def _read_aperture(box: Tree | None) -> tuple[int, int] | None:
    """Return width and height of a clean aperture (ISO/IEC 14496-12, 12.1.4)."""
    if box is None:
        return None
    wide, wide_by, high, high_by = (box.number(at, 4) for at in (0, 4, 8, 12))
    return round(wide / (wide_by or 1)), round(high / (high_by or 1))


def _read_dolby(box: Tree | None) -> tuple[int, int] | None:
    """Return profile and base layer of a DOVIDecoderConfigurationRecord.

    Source: Dolby Vision Streams Within the ISO Base Media File Format, 2.2.
    """
    if box is None:
        return None
    return box.number(2, 1) >> 1, box.number(4, 1) >> 4


def _read_avc(coding: Coding, box: Tree) -> Coding:
    """Add what an AVCDecoderConfigurationRecord says (ISO/IEC 14496-15, 5.3.3)."""
    coding = coding._replace(
        profile=box.number(1, 1),
        level=box.number(3, 1),
        is_avc=True,
        unit_width=(box.number(4, 1) & 3) + 1,
    )
    if not box.number(5, 1) & 31:
        return coding._replace(has_parameters=False)
    size = box.number(6, 2)
    told = read_avc_sequence(bytes(box.data[8 : 8 + size]))
    at = 8 + size
    has_picture_set = at < len(box.data) and box.number(at, 1) > 0
    return coding._replace(
        profile=told.profile,
        level=told.level,
        chroma=told.chroma,
        bit_depth=told.bit_depth,
        parameters=told,
        has_parameters=has_picture_set,
    )


def _read_hevc(coding: Coding, box: Tree) -> Coding:
    """Add what an HEVCDecoderConfigurationRecord says (ISO/IEC 14496-15, 8.3.3)."""
    units = _list_units(box)
    told = next((unit for kind, unit in units if kind == _SEQUENCE_UNIT), None)
    return coding._replace(
        profile=box.number(1, 1) & 31,
        level=box.number(12, 1),
        chroma=CHROMA[box.number(16, 1) & 3],
        bit_depth=8 + (box.number(17, 1) & 7),
        has_parameters={32, 33, 34} <= {kind for kind, _ in units},
        parameters=read_hevc_sequence(told) if told else None,
        unit_width=(box.number(21, 1) & 3) + 1,
    )


def _list_units(box: Tree) -> list[tuple[int, bytes]]:
    """Return type and bytes of the units in a record of H.265."""
    found: list[tuple[int, bytes]] = []
    at = 23
    for _ in range(box.number(22, 1)):
        kind, count = box.number(at, 1) & 63, box.number(at + 1, 2)
        at += 3
        for _ in range(count):
            size = box.number(at, 2)
            if len(found) == _MOST_UNITS:
                raise MalformedError(
                    f"has an H.265 track with more than {_MOST_UNITS} parameter sets"
                )
            found.append((kind, bytes(box.data[at + 2 : at + 2 + size])))
            at += 2 + size
    return found


def _read_sound(entry: Tree) -> Coding:
    fields = SOUND_FIELDS.get(entry.number(8, 2), SOUND_FIELDS[0])
    inside = {box.kind: box for box in reversed(entry.children(fields))}
    coding = _decrypt(entry, inside)
    wave = inside["wave"].find("esds") if "wave" in inside else None
    stream = inside.get("esds", wave)
    if not stream:
        return coding
    object_type, config = _read_stream(stream)
    return coding._replace(object_type=object_type, aac=read_config(config))


def _read_stream(esds: Tree) -> tuple[int, bytes]:
    """Return how a stream is coded, and its DecoderSpecificInfo.

    Source: ISO/IEC 14496-1, 7.2.6.5 to 7.2.6.7.
    """
    tag, at, _ = _open_descriptor(esds, 4)
    if tag != 3:
        return 0, b""
    flags, at = esds.number(at + 2, 1), at + 3
    at += 2 * (flags >> 7)  # the number of another stream
    at += (1 + esds.number(at, 1)) if flags & 0x40 else 0  # an address
    at += 2 * (flags >> 5 & 1)  # a clock
    tag, at, _ = _open_descriptor(esds, at)
    if tag != _CONFIG:
        return 0, b""
    object_type, at = esds.number(at, 1), at + 13
    if at + 2 > len(esds.data):
        return object_type, b""
    tag, at, size = _open_descriptor(esds, at)
    return object_type, bytes(esds.data[at : at + size]) if tag == _SPECIFIC else b""


def _open_descriptor(esds: Tree, at: int) -> tuple[int, int, int]:
    """Return a descriptor's tag, where what it says begins, and its length."""
    tag, size = esds.number(at, 1), 0
    for _ in range(4):
        at += 1
        byte = esds.number(at, 1)
        size = size << 7 | byte & 127
        if byte < 0x80:
            break
    return tag, at + 1, size
