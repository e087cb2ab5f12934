"""The names of codecs in playlists and MIME types (RFC 6381). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.mp4.boxes import MalformedError
from server.library.mp4.codecs import APPLE_TAGS, PICTURE_FIELDS, Coding

if TYPE_CHECKING:
    from server.library.mp4.boxes import Tree


def name_codec(entry: Tree, coding: Coding) -> str:
    """Return the name of how a sample entry's samples are coded.

    MalformedError for an entry without the record that tells.
    """
    tag = APPLE_TAGS.get(coding.codec, coding.codec)
    if tag == "mp4a":
        return f"mp4a.40.{coding.aac.object_type if coding.aac else 2}"
    records = {box.kind: box for box in entry.children(PICTURE_FIELDS)}
    kinds, name = _NAMERS[tag]
    record = next((records[kind] for kind in kinds if kind in records), None)
    if record is None:
        raise MalformedError(f"has a sample entry {tag!r} without its record")
    return f"{tag}.{name(record)}"


def _name_avc(record: Tree) -> str:
    """Return profile, constraints and level (ISO/IEC 14496-15, 5.3.3.1)."""
    return f"{record.number(1, 3):06X}"


def _name_hevc(record: Tree) -> str:
    """Return profile, compatibility, tier, level, constraints (14496-15, E.3)."""
    profile = record.number(1, 1)
    space = ("", "A", "B", "C")[profile >> 6]
    compatible = int(f"{record.number(2, 4):032b}"[::-1], 2)
    tier = "H" if profile & 0x20 else "L"
    constraints = record.number(6, 6).to_bytes(6, "big").rstrip(b"\0")
    parts = [f"{space}{profile & 31}", f"{compatible:X}"]
    parts += [f"{tier}{record.number(12, 1)}", *(f"{byte:X}" for byte in constraints)]
    return ".".join(parts)


def _name_dolby(record: Tree) -> str:
    """Return profile and level (Dolby Vision in the ISO Base Media Format, 2.2)."""
    told = record.number(2, 2)
    return f"{told >> 9:02}.{told >> 3 & 63:02}"


def _name_av1(record: Tree) -> str:
    """Return profile, level and tier, depth (AV1 in ISO Base Media Format, 5)."""
    level, depth = record.number(1, 1), record.number(2, 1)
    tier = "H" if depth & 0x80 else "M"
    bits = (8 + 2 * (depth >> 6 & 1)) + 2 * (depth >> 5 & 1)
    return f"{level >> 5}.{level & 31:02}{tier}.{bits:02}"


def _name_vp9(record: Tree) -> str:
    """Return profile, level, depth (VP Codec ISO Media File Format Binding)."""
    depth = record.number(6, 1) >> 4
    return f"{record.number(4, 1):02}.{record.number(5, 1):02}.{depth:02}"


_NAMERS = {
    "avc1": (("avcC",), _name_avc),
    "hvc1": (("hvcC",), _name_hevc),
    "dvh1": (("dvcC", "dvvC"), _name_dolby),
    "av01": (("av1C",), _name_av1),
    "vp09": (("vpcC",), _name_vp9),
}
