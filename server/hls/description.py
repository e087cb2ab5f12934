"""What playlists tell of a file: its codecs, the size of its pictures. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.codec_names import name_codec
from server.library.mp4.track import read_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.mp4.qualify import Chosen

_SIDEWAYS = (90, 270)  # degrees


class Description(NamedTuple):
    """What players want to know before they load anything."""

    codecs: str  # RFC 6381
    resolution: tuple[int, int] | None  # pixels, as they are shown
    frame_rate: float  # 0 without pictures


def describe(tracks: Sequence[Chosen]) -> Description:
    """Return what tracks are; MalformedError for records that are cut short."""
    names = [
        name_codec(entry, coding)
        for track in tracks
        for entry, coding in zip(track.entries, track.codings, strict=True)
    ]
    codecs = ",".join(dict.fromkeys(names))
    lead = tracks[0]
    if lead.stream.handler != "vide":
        return Description(codecs, None, 0.0)
    header, size = lead.trak.find("tkhd"), lead.codings[0]
    width, height = size.width, size.height
    if header and read_turn(header)[0] in _SIDEWAYS:
        width, height = height, width
    ticks = lead.stream.times.starts[-1]
    pictures = lead.stream.times.firsts[-1]
    rate = pictures * lead.stream.timescale / ticks if ticks else 0.0
    return Description(codecs, (width, height), rate)
