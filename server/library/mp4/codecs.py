"""What a track's sample description tells of its coding (ISO/IEC 14496-15). No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.mp4.boxes import MalformedError, Tree

# Bytes of fields before the boxes inside an entry (ISO/IEC 14496-12, 12.1.3, 12.2.3).
_PICTURE_FIELDS = 78
_SOUND_FIELDS = {0: 28, 1: 44, 2: 64}  # by version; QuickTime has the latter two
# Profiles whose parameter sets tell colour sampling and depth (H.264, 7.3.2.1.1).
_HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
APPLE_TAGS = {"avc3": "avc1", "hev1": "hvc1", "dvhe": "dvh1"}
"""What Apple's players want a picture to be tagged instead."""

CHROMA = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")


class Coding(NamedTuple):
    """How a track is coded; the numbers are the standards' own."""

    codec: str  # the entry's four letters, those before encryption
    encrypted: bool = False
    width: int = 0
    height: int = 0
    profile: int = 0
    level: int = 0
    chroma: str = CHROMA[1]
    bit_depth: int = 8
    has_parameters: bool = True  # outside the samples
    transfer: int = 0  # ISO/IEC 23091-2, 8.2
    object_type: int = 0  # ISO/IEC 14496-1, 7.2.6.6


def read_coding(stsd: Tree, handler: str) -> Coding:
    """Return how the first kind of samples is coded; MalformedError."""
    entry = next(iter(stsd.children(8)), None)
    if entry is None:
        return Coding("")
    if handler == "vide":
        return _read_picture(entry)
    if handler == "soun":
        return _read_sound(entry)
    return Coding(entry.kind, encrypted=entry.kind.startswith("enc"))


def _read_picture(entry: Tree) -> Coding:
    inside = {box.kind: box for box in reversed(entry.children(_PICTURE_FIELDS))}
    coding = _decrypt(entry, inside)._replace(
        width=entry.number(24, 2), height=entry.number(26, 2)
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


def _read_avc(coding: Coding, box: Tree) -> Coding:
    """Add what an AVCDecoderConfigurationRecord says (ISO/IEC 14496-15, 5.3.3)."""
    coding = coding._replace(profile=box.number(1, 1), level=box.number(3, 1))
    if not box.number(5, 1) & 31:
        return coding._replace(has_parameters=False)
    size = box.number(6, 2)
    return _read_parameters(coding, bytes(box.data[8 : 8 + size]))


def _read_parameters(coding: Coding, unit: bytes) -> Coding:
    """Add what a sequence parameter set says (H.264, 7.3.2.1.1)."""
    if len(unit) < 4:
        raise MalformedError("has an H.264 track whose parameters are cut short")
    coding = coding._replace(profile=unit[1], level=unit[3])
    if coding.profile not in _HIGH_PROFILES:
        return coding
    payload = unit[4:64].replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in payload)
    _, bits = _take_number(bits)
    chroma, bits = _take_number(bits)
    if chroma == 3:
        bits = bits[1:]
    depth, _ = _take_number(bits)
    return coding._replace(chroma=CHROMA[chroma & 3], bit_depth=depth + 8)


def _take_number(bits: str) -> tuple[int, str]:
    """Return an Exp-Golomb number (H.264, 9.1) and the bits behind it."""
    zeros = bits.find("1")
    if zeros < 0 or len(bits) < 2 * zeros + 1:
        raise MalformedError("has an H.264 track whose parameters are cut short")
    end = 2 * zeros + 1
    return int(bits[:end], 2) - 1, bits[end:]


def _read_hevc(coding: Coding, box: Tree) -> Coding:
    """Add what an HEVCDecoderConfigurationRecord says (ISO/IEC 14496-15, 8.3.3)."""
    return coding._replace(
        profile=box.number(1, 1) & 31,
        level=box.number(12, 1),
        chroma=CHROMA[box.number(16, 1) & 3],
        bit_depth=8 + (box.number(17, 1) & 7),
        has_parameters=box.number(22, 1) >= 3,  # of video, sequence and picture
    )


def _read_sound(entry: Tree) -> Coding:
    fields = _SOUND_FIELDS.get(entry.number(8, 2), _SOUND_FIELDS[0])
    inside = {box.kind: box for box in reversed(entry.children(fields))}
    coding = _decrypt(entry, inside)
    wave = inside["wave"].find("esds") if "wave" in inside else None
    stream = inside.get("esds", wave)
    return coding._replace(object_type=_read_object_type(stream)) if stream else coding


def _read_object_type(esds: Tree) -> int:
    """Return which coding an elementary stream has (ISO/IEC 14496-1, 7.2.6.5)."""
    tag, at = _open_descriptor(esds, 4)
    if tag != 3:
        return 0
    flags, at = esds.number(at + 2, 1), at + 3
    at += 2 * (flags >> 7)  # the number of another stream
    at += (1 + esds.number(at, 1)) if flags & 0x40 else 0  # an address
    at += 2 * (flags >> 5 & 1)  # a clock
    tag, at = _open_descriptor(esds, at)
    return esds.number(at, 1) if tag == 4 else 0


def _open_descriptor(esds: Tree, at: int) -> tuple[int, int]:
    """Return a descriptor's tag, and where what it says begins, after its length."""
    tag = esds.number(at, 1)
    for _ in range(4):
        at += 1
        if esds.number(at, 1) < 0x80:
            break
    return tag, at + 1
