"""What a file's boxes say of it as a level: its size, its rates, its codecs. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.levels.ladder import Figures
from server.library.mp4.codecs import PICTURE_FIELDS

if TYPE_CHECKING:
    from server.library.mp4.boxes import Tree
    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

_MOST = (1 << 31) - 1  # of an integer


def describe(movie: Movie) -> Figures | None:
    """Return what is known of a video; None without pictures."""
    picture, sound = movie.picture, movie.sound
    if picture is None or not picture.coding.width or not movie.seconds:
        return None
    width, height = picture.coding.aperture or (
        picture.coding.width,
        picture.coding.height,
    )
    if picture.turned in (90, 270):
        width, height = height, width
    codecs = [_name_picture(picture), *([_name_sound(sound)] if sound else [])]
    return Figures(
        width,
        height,
        min(max(round(movie.size * 8 / movie.seconds), 1), _MOST),
        round(picture.frame_rate, 3) or 1.0,
        ",".join(codecs),
    )


def _name_picture(track: Track) -> str:
    """Return a codec with its parameters (ISO/IEC 14496-15, annex E)."""
    boxes = _open_entry(track)
    if avc := boxes.get("avcC"):
        return f"{track.coding.codec}.{bytes(avc.data[1:4]).hex()}"
    if hevc := boxes.get("hvcC"):
        return f"{track.coding.codec}.{_name_hevc(bytes(hevc.data[1:13]))}"
    return track.coding.codec


def _open_entry(track: Track) -> dict[str, Tree]:
    entries = track.table.find("stsd")
    for entry in entries.children(8) if entries else []:
        return {box.kind: box for box in entry.children(PICTURE_FIELDS)}
    return {}


def _name_hevc(record: bytes) -> str:
    """Return what stands behind hvc1 for the first twelve bytes of a profile and level.

    A compatibility flag that was sent first is the lowest bit here, and constraints end
    with the last byte that is not zero.
    """
    first, flags, constraints = record[0], record[1:5], record[5:11].rstrip(b"\0")
    space = ["", "A", "B", "C"][first >> 6]
    turned = int(f"{int.from_bytes(flags, 'big'):032b}"[::-1], 2)
    tier = "H" if first & 32 else "L"
    parts = [f"{space}{first & 31}", f"{turned:X}", f"{tier}{record[11]}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints)])


def _name_sound(track: Track) -> str:
    coding = track.coding
    if coding.codec != "mp4a":
        return coding.codec
    name = f"mp4a.{coding.object_type:x}"
    return f"{name}.{coding.aac.object_type}" if coding.aac else name
