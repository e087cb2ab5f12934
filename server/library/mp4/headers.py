"""Headers that contradict the tables, and how they are mended. No I/O.

Players believe one or the other; the tables say what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import PICTURE_FIELDS
from server.library.mp4.edits import read_edits

if TYPE_CHECKING:
    from server.library.mp4.codecs import Coding
    from server.library.mp4.track import Track

_SLACK = 0.1  # seconds; rounding to units of the movie is less
_PICTURE_SIZE = 24  # where width and height stand in a sample entry
_REFERENCE = 6  # where the data reference stands in it


def differs(told: float | None, real: float, last_sample: float = 0.0) -> bool:
    """Report whether a header tells another time than the tables, in seconds.

    Some writers leave out how long the last sample lasts.
    """
    return told is not None and abs(told - real) > _SLACK + last_sample


def lies(track: Track) -> bool:
    """Report whether mdhd tells neither how long media are decoded nor shown.

    With pictures out of order and of different lengths these are not the same.
    """
    told, last = track.media_header, track.last_sample
    shown = track.seconds * track.samples.shown / (track.samples.length or 1)
    return differs(told, track.seconds, last) and differs(told, shown, last)


def has_wrong_size(coding: Coding) -> bool:
    """Report whether the entry says no size, or another than the parameter set.

    The latter may be shown in part, which the entry may leave out.
    """
    told = coding.parameters
    if told is None or (coding.width, coding.height) == (told.width, told.height):
        return False
    less = told.width - coding.width, told.height - coding.height
    return not (0 <= less[0] < 16 and 0 <= less[1] < 16)


def fits_aperture(coding: Coding) -> bool:
    """Report whether a clean aperture lies in the picture (12.1.4)."""
    size = coding.parameters or coding
    width, height = coding.aperture or (0, 0)
    return 0 < width <= size.width and 0 < height <= size.height


def set_movie_time(mvhd: Tree, told: float | None, seconds: float) -> bytes:
    """Return the movie's header, with the time that it lasts (8.2.2)."""
    at, width = (24, 8) if mvhd.number(0, 1) == 1 else (16, 4)
    timescale = mvhd.number(at - 4, 4)
    is_right = not differs(told, seconds)
    return _set(mvhd, at, width, None if is_right else round(seconds * timescale))


def set_media_time(mdhd: Tree, track: Track) -> bytes:
    """Return a header of media, with the time that its samples last (8.4.2)."""
    at, width = (24, 8) if mdhd.number(0, 1) == 1 else (16, 4)
    return _set(mdhd, at, width, track.samples.length if lies(track) else None)


def set_track_time(tkhd: Tree, track: Track, timescale: int) -> bytes:
    """Return a track's header: enabled, and with the time that it is shown (8.3.2)."""
    at, width = (28, 8) if tkhd.number(0, 1) == 1 else (20, 4)
    seconds = track.shown.seconds
    is_right = not differs(track.track_header, seconds, track.last_sample)
    units = None if is_right else round(seconds * timescale)
    body = bytearray(_set(tkhd, at, width, units))
    body[3] |= 1
    at += width + 52  # where the size stands
    if track.handler == "vide" and not all(map(tkhd.number, (at, at + 4), (4, 4))):
        size = track.coding.parameters or track.coding
        body[at : at + 8] = (size.width << 48 | size.height << 16).to_bytes(8, "big")
    return bytes(body)


def set_edits(elst: Tree, track: Track, timescale: int, media_timescale: int) -> bytes:
    """Return an edit list whose entries end where the media do (8.6.6)."""
    width = 8 if elst.number(0, 1) == 1 else 4
    end = track.samples.shown + track.samples.first_shown
    body = bytearray(elst.data)
    for number, edit in enumerate(read_edits(elst)):
        there, told = (end - edit.start) / media_timescale, edit.duration / timescale
        if edit.start < 0 or (told and not differs(told, min(told, there))):
            continue
        at = 8 + number * (2 * width + 4)
        units = max(round(there * timescale), 0)
        if units < 1 << 8 * width:
            body[at : at + width] = units.to_bytes(width, "big")
    return bytes(body)


def _set(box: Tree, at: int, width: int, units: int | None) -> bytes:
    """Return the body of a box, with a number replaced if there is one that fits."""
    if at + width > len(box.data):
        raise MalformedError(f"has a box {box.kind!r} that is too short")
    body = bytearray(box.data)
    if units is not None and units < (1 << 8 * width) - 1:
        body[at : at + width] = units.to_bytes(width, "big")
    return bytes(body)


def set_entry(entry: Tree, coding: Coding, *, references: int) -> bytes:
    """Return a sample entry with the size and the data reference that are right.

    Without a clean aperture that is none.
    """
    body = bytearray(entry.data)
    if coding.aperture and not fits_aperture(coding):
        body = bytearray(entry.data[:PICTURE_FIELDS])
        for box in entry.children(PICTURE_FIELDS):
            if box.kind != "clap":
                body += (len(box.data) + 8).to_bytes(4, "big")
                body += box.kind.encode("latin-1") + box.data
    told = coding.parameters
    if told is not None and has_wrong_size(coding):
        for place, pixels in enumerate((told.width, told.height)):
            at = _PICTURE_SIZE + 2 * place
            body[at : at + 2] = min(pixels, 0xFFFF).to_bytes(2, "big")
    if references <= 1 and coding.reference != 1:
        body[_REFERENCE : _REFERENCE + 2] = (1).to_bytes(2, "big")
    return bytes(body)
