"""Sample entries as every player takes them (ISO/IEC 14496-12, 12). No I/O."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from server.hls.boxes import wrap
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import APPLE_TAGS, PICTURE_FIELDS, SOUND_FIELDS

if TYPE_CHECKING:
    from server.library.mp4.codecs import Coding

# What may stand in an entry of pictures. QuickTime's others stop players: fiel does
# Chromium's.
_KEPT = {"avcC", "hvcC", "av1C", "vpcC", "colr", "pasp", "clap", "btrt", "mdcv", "clli"}
_KEPT |= {"dvcC", "dvvC", "dvwC", "hvcE"}
_START = bytes(6) + b"\0\1"  # reserved, and the only data reference


def render_entry(entry: Tree, coding: Coding) -> bytes:
    """Return the sample entry, rebuilt; MalformedError for one that is too short."""
    tag = APPLE_TAGS.get(coding.codec, coding.codec)
    body = _render_sound(entry) if tag == "mp4a" else _render_picture(entry)
    return wrap(tag, _START, body)


def _render_picture(entry: Tree) -> bytes:
    kept = [
        _render_colour(box) if box.kind == "colr" else wrap(box.kind, bytes(box.data))
        for box in entry.children(PICTURE_FIELDS)
        if box.kind in _KEPT
    ]
    return bytes(16) + bytes(entry.data[24:PICTURE_FIELDS]) + b"".join(kept)


def _render_colour(box: Tree) -> bytes:
    """Return how colours are to be read; QuickTime's box lacks the range (12.1.5)."""
    if box.text(0) == "nclc":
        return wrap("colr", b"nclx", bytes(box.data[4:10]), b"\0")
    return wrap("colr", bytes(box.data))


def _render_sound(entry: Tree) -> bytes:
    version, channels, rate = (
        entry.number(8, 2),
        entry.number(16, 2),
        entry.number(24, 4),
    )
    if version == 2:  # of QuickTime
        if len(entry.data) < SOUND_FIELDS[2]:
            raise MalformedError("has a sample entry of sound that is too short")
        (told, channels) = struct.unpack(">dI", entry.data[32:44])
        rate = int(told) << 16 if 0 < told < 1 << 16 else 0
    inside = {box.kind: box for box in entry.children(SOUND_FIELDS.get(version, 28))}
    wave = inside.get("wave")
    stream = inside.get("esds") or (wave.find("esds") if wave else None)
    if stream is None:
        raise MalformedError("has a sample entry of AAC without its record")
    fields = struct.pack(">8xHHII", min(channels, 0xFFFF), 16, 0, rate)
    return fields + wrap("esds", bytes(stream.data))
