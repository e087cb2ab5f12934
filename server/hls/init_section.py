"""The init section of the virtual file: ftyp and an index without samples. No I/O.

Source: ISO/IEC 14496-12, 8; what players need beyond it has its reason beside it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from server.hls.boxes import wrap, wrap_full
from server.hls.sample_entries import render_entry
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.track import read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.mp4.qualify import Chosen

_FTYP = wrap("ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")
_MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_SHOWN = 3  # flags of a track header: enabled, in the movie
_UNDETERMINED = 0x55C4  # "und" (8.4.2)
_LETTERS = 0x400  # what is less is a Macintosh code, no language
_MEDIA_HEADERS = {
    "vide": wrap_full("vmhd", 1, bytes(8)),
    "soun": wrap_full("smhd", 0, bytes(4)),
}
_REFERENCES = wrap(
    "dinf", wrap_full("dref", 0, struct.pack(">I", 1), wrap_full("url ", 1))
)
_NO_SAMPLES = b"".join(
    [
        wrap_full("stts", 0, bytes(4)),
        wrap_full("stsc", 0, bytes(4)),
        wrap_full("stsz", 0, bytes(8)),
        wrap_full("stco", 0, bytes(4)),
    ]
)


def render_init(moov: Tree, tracks: Sequence[Chosen], seconds: float) -> bytes:
    """Return the init section for tracks that are numbered from 1 on.

    MalformedError for boxes that are too short.
    """
    timescale, _ = read_header(moov.find("mvhd"))
    numbers = range(1, len(tracks) + 1)
    traks = map(_render_track, numbers, tracks)
    extends = [wrap_full("trex", 0, struct.pack(">5I", n, 1, 0, 0, 0)) for n in numbers]
    length = struct.pack(">Q", round(seconds * timescale))  # for who opens it directly
    mvex = wrap("mvex", wrap_full("mehd", 0, length, version=1), *extends)
    movie = _render_movie(timescale, len(tracks) + 1)
    return _FTYP + wrap("moov", movie, *traks, mvex)


def _render_movie(timescale: int, next_track: int) -> bytes:
    return wrap_full(
        "mvhd",
        0,
        struct.pack(">IIIIIH10x", 0, 0, timescale, 0, 1 << 16, 1 << 8),
        _MATRIX,
        struct.pack(">24xI", next_track),
    )


def _render_track(number: int, track: Chosen) -> bytes:
    stream = track.stream
    entries = map(render_entry, track.entries, track.codings)
    stsd = wrap_full("stsd", 0, struct.pack(">I", len(track.entries)), *entries)
    hdlr = wrap_full(
        "hdlr", 0, bytes(4), stream.handler.encode("latin-1"), bytes(12), b"\0"
    )
    media = wrap(
        "mdia",
        _render_media(track.trak.find("mdia", "mdhd"), stream.timescale),
        hdlr,
        wrap(
            "minf",
            _MEDIA_HEADERS[stream.handler],
            _REFERENCES,
            wrap("stbl", stsd, _NO_SAMPLES),
        ),
    )
    header = _render_header(track.trak.find("tkhd"), number)
    return wrap("trak", header, _render_edits(stream.media_time), media)


def _render_header(tkhd: Tree | None, number: int) -> bytes:
    """Return the track header with its own matrix, which turns pictures (8.3.2)."""
    version = tkhd.number(0, 1) if tkhd else 0
    at = 52 if version == 1 else 40
    if tkhd is None or len(tkhd.data) < at + 44:
        raise MalformedError("has a track header (tkhd) that is too short")
    fields = bytes(tkhd.data[at - 8 : at + 44])
    return wrap_full(
        "tkhd", _SHOWN, struct.pack(">IIIII8x", 0, 0, number, 0, 0), fields
    )


def _render_edits(media_time: int) -> bytes:
    """Return an edit list of one entry, to the end of all fragments.

    Also where it shows all: Apple's player refuses an init section of H.265 without.
    """
    if media_time < 1 << 31:
        entry, version = struct.pack(">IIiHH", 1, 0, media_time, 1, 0), 0
    else:
        entry, version = struct.pack(">IQqHH", 1, 0, media_time, 1, 0), 1
    return wrap("edts", wrap_full("elst", 0, entry, version=version))


def _render_media(mdhd: Tree | None, timescale: int) -> bytes:
    if mdhd is None:
        raise MalformedError("has no header that tells its time")
    language = mdhd.number(32 if mdhd.number(0, 1) == 1 else 20, 2)
    if not _LETTERS <= language < 1 << 15:
        language = _UNDETERMINED
    return wrap_full("mdhd", 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, language, 0))
